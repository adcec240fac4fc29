//! `swarmbus man`: manual pages, made from the same description as the help.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::exit::Failure;
use crate::output::Output;

/// Write the manual pages, section 1, into a folder.
#[derive(clap::Args)]
#[command(
    hide = true,
    after_help = "\
Examples:
  swarmbus man /usr/local/share/man/man1"
)]
pub struct Man {
    /// The folder; made if it is not there
    folder: PathBuf,
}

pub fn man(args: Man, output: &Output) -> Result<ExitCode, Failure> {
    let failed =
        |path: &Path, error: &std::io::Error| Failure::io(format_args!("cannot write {}", path.display()), error);
    std::fs::create_dir_all(&args.folder).map_err(|error| failed(&args.folder, &error))?;
    let mut command = crate::command();
    command.build();
    let mut pages = Vec::new();
    collect(command, "swarmbus", &mut pages);
    for page in &pages {
        let name = page.get_filename();
        let path = args.folder.join(&name);
        let mut text = Vec::new();
        page.render(&mut text).map_err(|error| failed(&path, &error))?;
        let text = String::from_utf8_lossy(&text).replace("\n.SH EXTRA\n", "\n.SH NOTES\n");
        std::fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        if output.verbose() {
            output.line(&name)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

const SOURCE: &str = concat!("Swarmbus ", env!("CARGO_PKG_VERSION"));

/// A page for a command and for each below it, named as one writes it, with dashes.
fn collect(command: clap::Command, name: &str, pages: &mut Vec<clap_mangen::Man>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        collect(verb.clone(), &format!("{name}-{}", verb.get_name()), pages);
    }
    // A name lives as long as the command line that it describes.
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    pages.push(clap_mangen::Man::new(command.name(name).display_name(name)).source(SOURCE).manual("Swarmbus"));
}
