//! `sectorscope car`

mod coverage;
mod info;
mod verify;

use crate::cli::Car;

pub(crate) fn run(arguments: &Car) -> anyhow::Result<()> {
    match arguments {
        Car::Info(look) => info::run(look),
        Car::Verify(look) => verify::run(look),
    }
}
