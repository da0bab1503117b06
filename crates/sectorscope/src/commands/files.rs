//! `sectorscope files`

use std::path::Path;

use anyhow::{Context, bail};
use lake::{ListedFile as DataFile, Listing};
use serde::Serialize;

use crate::cli::{Files, ReportFormat};
use crate::human;
use crate::output::{self, Align};

/// What the published version is made of.
#[derive(Serialize)]
struct FilesReport {
    /// The directory of the tables.
    lake: String,
    /// The published version of `sp_sector_daily`. It changes whenever the files do.
    version: u64,
    first_day: String,
    last_day: String,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    table: &'static str,
    path: String,
    size: u64,
    rows: u64,
    first_day: String,
    last_day: String,
}

pub(crate) async fn run(arguments: Files) -> anyhow::Result<()> {
    let listing = Listing::open(&arguments.data.lake()?).await?;
    let closed = listing.closed()?;
    let days = listing.days(arguments.from, arguments.to)?;
    let chosen = |table: &str| arguments.table.as_deref().is_none_or(|wanted| wanted == table);
    if !listing.tables().any(|(table, _)| chosen(table)) {
        let names: Vec<&str> = listing.tables().map(|(table, _)| table).collect();
        let wanted = arguments.table.unwrap_or_default();
        bail!("there is no table {wanted}; there are {}", names.join(", "));
    }
    let mut files = Vec::new();
    for (table, of) in listing.tables().filter(|(table, _)| chosen(table)) {
        let holding = |file: &&DataFile| file.first_day <= *days.end() && file.last_day >= *days.start();
        for file in of.iter().filter(holding) {
            files.push(FileReport {
                table,
                path: text(&file.path)?,
                size: file.size,
                rows: file.rows,
                first_day: file.first_day.to_string(),
                last_day: file.last_day.to_string(),
            });
        }
    }
    let listed = FilesReport {
        lake: text(listing.directory())?,
        version: listing.version(),
        first_day: closed.start().to_string(),
        last_day: closed.end().to_string(),
        files,
    };
    match arguments.format {
        ReportFormat::Json => output::json(&listed),
        ReportFormat::Table => print(&listed),
    }
}

/// A path as JSON can hold it.
fn text(path: &Path) -> anyhow::Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8; put the lake into another directory", path.display()))?;
    Ok(text.to_owned())
}

fn print(listed: &FilesReport) -> anyhow::Result<()> {
    let header = [
        ("table", Align::Left),
        ("first day", Align::Left),
        ("last day", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("path", Align::Left),
    ];
    let lines = listed.files.iter().map(|file| {
        vec![
            file.table.to_owned(),
            file.first_day.clone(),
            file.last_day.clone(),
            file.rows.to_string(),
            human::bytes(file.size.into()),
            file.path.clone(),
        ]
    });
    output::table(&header, lines)?;
    let size: u64 = listed.files.iter().map(|file| file.size).sum();
    output::print_line(format_args!(
        "\nversion {}: {} files, {}; closed days {} to {}",
        listed.version,
        listed.files.len(),
        human::bytes(size.into()),
        listed.first_day,
        listed.last_day
    ));
    Ok(())
}
