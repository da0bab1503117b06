//! `sectorscope sql`

use std::io::{Read, stdin, stdout};
use std::time::Duration;

use anyhow::{Context, bail};
use lake::{OutputFormat, QueryLimits, ResultPreview, SqlSession};

use super::refuse_on_terminal;
use crate::cli::{AnswerFormat, Sql};
use crate::output::{self, Align};
use crate::shutdown;

pub(crate) async fn run(arguments: Sql) -> anyhow::Result<()> {
    let form = match arguments.format {
        AnswerFormat::Table => None,
        AnswerFormat::Csv => Some(OutputFormat::Csv),
        AnswerFormat::Ndjson => Some(OutputFormat::Ndjson),
        AnswerFormat::Json => Some(OutputFormat::Json),
        AnswerFormat::Arrow => Some(OutputFormat::Arrow),
    };
    if let Some(form) = form {
        refuse_on_terminal(form)?;
    }
    let statement = match arguments.statement.as_str() {
        "-" => from_stdin()?,
        statement => statement.to_owned(),
    };
    let limits = QueryLimits {
        time: Duration::from_secs(arguments.time),
        memory: arguments.memory.saturating_mul(1 << 20),
        disk: arguments.spill.saturating_mul(1 << 20),
    };
    let asking = async {
        let session = SqlSession::open(&arguments.data.lake()?, limits).await?;
        match form {
            Some(form) => Ok(session.write(&statement, form, Box::new(stdout())).await?),
            None => table(&session.preview(&statement, arguments.rows).await?, arguments.rows),
        }
    };
    tokio::select! {
        done = asking => done,
        () = shutdown::requested() => bail!("stopped before the answer was whole"),
    }
}

fn from_stdin() -> anyhow::Result<String> {
    let mut statement = String::new();
    stdin().lock().read_to_string(&mut statement).context("cannot read the statement from stdin")?;
    Ok(statement)
}

fn table(answer: &ResultPreview, most: usize) -> anyhow::Result<()> {
    let align = |number: bool| if number { Align::Right } else { Align::Left };
    let header: Vec<_> =
        answer.columns.iter().map(|(name, number)| (name.as_str(), align(*number))).collect();
    output::table(&header, answer.rows.iter().flat_map(|row| lines(answer, row)))?;
    if answer.more {
        output::print_remark(format_args!(
            "only the first {most} rows: more with --rows N, all with --format csv"
        ));
    }
    Ok(())
}

/// A row as it is shown. A plan, which the engine prints in many lines, has a row for each.
fn lines(answer: &ResultPreview, row: &[String]) -> Vec<Vec<String>> {
    let names: Vec<&str> = answer.columns.iter().map(|(name, _)| name.as_str()).collect();
    match (&names[..], row) {
        (["plan_type", "plan"], [kind, plan]) => {
            let begins = std::iter::once(kind.clone()).chain(std::iter::repeat(String::new()));
            begins.zip(plan.lines()).map(|(kind, line)| vec![kind, line.to_owned()]).collect()
        }
        _ => vec![row.to_vec()],
    }
}
