//! The configuration file, and what the command line says besides.

use std::time::Duration;

use beamless::Sizes;

use super::settings::Settings;
use crate::cli::Failure;
use crate::cli::args::{Local, Run};

/// The settings of the agent: those of the file, and over them those of the command line.
pub(super) fn settings(run: &Run) -> Result<Settings, Failure> {
    if let Some(file) = &run.config {
        return Err(Failure::usage(format!("{}: configuration files are not read yet", file.display())));
    }
    let name = run
        .name
        .clone()
        .ok_or_else(|| Failure::usage("the node has no name: give it one with --sname NAME or --name NAME@HOST"))?;
    let local = Local {
        name,
        cookie_file: run.cookie_file.clone(),
        listen: run.listen.clone(),
        epmd: run.epmd.unwrap_or_default(),
        visible: run.visible,
    };
    Ok(Settings {
        local,
        allow: Vec::new(),
        tick_time: None::<Duration>,
        sizes: Sizes { peers: 16, mailboxes: 16, bytes: 16_384, watches: 1024, requests: 32 },
        connect: run.connect.clone(),
        discover: None,
        publish: Vec::new(),
        programs: Vec::new(),
        functions: Vec::new(),
    })
}
