//! The programs that the installation calls, and what to install when one is missing.

use std::path::PathBuf;
use std::process::Command;

use crate::error::{Result, TestkitError, io};

/// Program and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const JAVA: Tool = Tool { name: "java", package: "default-jre-headless" };
pub(crate) const MAVEN: Tool = Tool { name: "mvn", package: "maven" };
pub(crate) const NPM: Tool = Tool { name: "npm", package: "npm" };
pub(crate) const C_COMPILER: Tool = Tool { name: "cc", package: "build-essential" };
pub(crate) const PYTHON: Tool = Tool { name: "python3", package: "python3-pip" };
pub(crate) const CHROMIUM: Tool = Tool { name: "chromium", package: "chromium" };
pub(crate) const TAR: Tool = Tool { name: "tar", package: "tar" };

/// Characters of a failed tool's output that its error shows.
const OUTPUT_CHARS_MAX: usize = 4_000;

/// Path of a tool on the PATH.
/// Errors: `ToolMissing`, which names the package.
pub(crate) fn find(tool: Tool) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(tool.name))
        .find(|candidate| candidate.is_file())
        .ok_or(TestkitError::ToolMissing { tool: tool.name, package: tool.package })
}

/// Runs a command to its end and answers its standard output.
/// Errors: `ToolFailed` with the end of both outputs.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(io(format!("run {shown}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let both = stdout + &String::from_utf8_lossy(&output.stderr);
    let skipped = both.chars().count().saturating_sub(OUTPUT_CHARS_MAX);
    Err(TestkitError::ToolFailed {
        command: shown,
        status: output.status.to_string(),
        output: both.chars().skip(skipped).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let absent = Tool { name: "no-such-tool-here", package: "imaginary" };
        let message = find(absent).unwrap_err().to_string();
        assert!(message.contains("`no-such-tool-here`") && message.contains("`imaginary`"));
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let error = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]));
        let message = error.unwrap_err().to_string();
        assert!(message.contains("out\nerr") && message.contains('7'), "{message}");
        assert_eq!(run(Command::new("echo").arg("fine")).unwrap(), "fine\n");
    }
}
