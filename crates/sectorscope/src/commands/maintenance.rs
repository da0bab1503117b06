//! `sectorscope compact`, `vacuum`, `backup` and `restore`

use std::time::Duration;

use lake::{BackupReport, Lake};

use crate::cli::{Backup, Compact, Restore, Vacuum};
use crate::human;
use crate::output;
use crate::progress_bar::ProgressBars;

pub(crate) async fn compact(arguments: Compact) -> anyhow::Result<()> {
    let mut lake = Lake::open_existing(&arguments.data.lake()?).await?;
    let done = lake.compact(&ProgressBars::default()).await?;
    let count = |count, one: &str, more: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {more}")),
    };
    let brought = [
        count(done.months, "month", "months"),
        count(done.open_days, "day of the last month", "days of the last month"),
        count(done.years, "year", "years"),
    ];
    let brought: Vec<String> = brought.into_iter().flatten().collect();
    output::print_line(match brought.is_empty() {
        true => "nothing to do: every finished month is in one file".to_owned(),
        false => format!("{}: {} files are {} now", brought.join(", "), done.files_before, done.files_now),
    });
    Ok(())
}

pub(crate) async fn vacuum(arguments: Vacuum) -> anyhow::Result<()> {
    let lake = Lake::open_existing(&arguments.data.lake()?).await?;
    let removed = lake.vacuum(Duration::from_secs(arguments.retain_hours.saturating_mul(3600))).await?;
    output::print_line(format_args!(
        "removed {} {}, {}",
        removed.files,
        if removed.files == 1 { "file" } else { "files" },
        human::bytes(removed.bytes.into())
    ));
    Ok(())
}

pub(crate) async fn backup(arguments: Backup) -> anyhow::Result<()> {
    let copied = lake::backup(&arguments.data.lake()?, &arguments.to, &ProgressBars::default()).await?;
    output::print_line(format_args!(
        "{}: {}, {} of them new",
        arguments.to.display(),
        summary(copied),
        copied.new_files
    ));
    Ok(())
}

pub(crate) async fn restore(arguments: Restore) -> anyhow::Result<()> {
    let to = arguments.data.lake()?;
    let copied = lake::restore(&arguments.from, &to, &ProgressBars::default()).await?;
    output::print_line(format_args!("{}: {}, each as it was", to.display(), summary(copied)));
    Ok(())
}

fn summary(copied: BackupReport) -> String {
    format!("version {} in {} files, {}", copied.version, copied.files, human::bytes(copied.bytes.into()))
}
