//! What `doctor` looks at, and how it tells what it finds.

use ac_cred_proto::{Denial, ErrorCode};
use serde::Serialize;

use crate::failure::visible;
use crate::screen::{Look, Paint, length};

pub(crate) mod daemon;
pub(crate) mod here;
pub(crate) mod network;
pub(crate) mod surroundings;

/// What is known of one thing that can be wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: &'static str,
    /// What it comes to.
    pub(crate) verdict: Verdict,
    /// What was seen, in words.
    pub(crate) message: String,
    /// The command that mends it, or makes it better.
    pub(crate) fix: Option<String>,
    /// What a program goes by, where it failed.
    pub(crate) error: Option<ErrorCode>,
}

/// What a finding comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All is well.
    Ok,
    /// Nothing is wrong, and something is worth knowing.
    Note,
    /// It has to be mended.
    Fail,
}

impl Verdict {
    fn shown(self) -> (&'static str, Paint) {
        match self {
            Self::Ok => ("ok", Paint::Green),
            Self::Note => ("note", Paint::Magenta),
            Self::Fail => ("FAIL", Paint::Red),
        }
    }
}

impl Finding {
    /// Nothing to mend.
    pub(crate) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            message: visible(&message.into()),
            fix: None,
            error: None,
        }
    }

    /// Something worth knowing.
    pub(crate) fn note(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            ..Self::ok(check, message)
        }
    }

    /// Something to mend.
    pub(crate) fn fail(check: &'static str, denial: &Denial) -> Self {
        Self {
            verdict: Verdict::Fail,
            fix: denial.hint.as_deref().map(visible),
            error: Some(denial.error),
            ..Self::ok(check, denial.message.clone())
        }
    }

    /// The same with the command to type.
    pub(crate) fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(visible(&command.into()));
        self
    }

    /// The same with the command to type, where there is none yet.
    pub(crate) fn or_fix(self, command: impl Into<String>) -> Self {
        match self.fix {
            Some(_) => self,
            None => self.fix(command),
        }
    }
}

/// All findings, as `doctor --json` prints them.
#[derive(Serialize)]
pub(crate) struct Report {
    version: u8,
    well: bool,
    findings: Vec<Finding>,
}

impl Report {
    /// The findings in the order in which they are told.
    pub(crate) fn of(findings: Vec<Finding>) -> Self {
        let is_well = |finding: &Finding| finding.verdict != Verdict::Fail;
        Self {
            version: 1,
            well: findings.iter().all(is_well),
            findings,
        }
    }

    /// The first failure stands for all: its code and its command.
    pub(crate) fn outcome(&self) -> Result<(), Denial> {
        let mut failed = self.findings.iter().filter_map(|finding| finding.error);
        let Some(first) = failed.next() else {
            return Ok(());
        };
        let (failures, all) = (1 + failed.count(), self.findings.len());
        let denial = Denial::new(first, format!("{failures} of {all} checks failed"));
        let mut failing = self
            .findings
            .iter()
            .filter(|finding| finding.error.is_some());
        Err(match failing.find_map(|finding| finding.fix.clone()) {
            Some(fix) => denial.hint(fix),
            None => denial,
        })
    }

    /// The lines for people, without line feeds.
    pub(crate) fn lines(&self, look: Look) -> Vec<String> {
        let names = self.findings.iter().map(|finding| length(finding.check));
        let widest = names.max().unwrap_or_default();
        let mut lines = Vec::new();
        for finding in &self.findings {
            let (word, paint) = finding.verdict.shown();
            let mark = look.painted(word, paint) + &" ".repeat(4 - length(word));
            let indent = 4 + 2 + widest + 2;
            let wrapped = look.wrapped(&finding.message, indent);
            let mut wrapped = wrapped.iter();
            let first = wrapped.next().map_or("", |line| line.trim_start());
            lines.push(format!("{mark}  {:widest$}  {first}", finding.check));
            lines.extend(wrapped.cloned());
            if let Some(fix) = &finding.fix {
                lines.push(format!("{}run: {fix}", " ".repeat(indent)));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Look = Look {
        colour: false,
        blocks: false,
        width: Some(40),
    };

    fn report() -> Report {
        let denial =
            Denial::new(ErrorCode::Locked, "credentials are locked").hint("ac-cred unlock");
        Report::of(vec![
            Finding::ok("program", "ac-cred 0.1.0"),
            Finding::note("environment", "AC_CRED_ORG is set, and nobody hears of it").fix("x"),
            Finding::fail("store", &denial),
        ])
    }

    #[test]
    fn findings_are_lines_that_fit_with_the_command_below() {
        assert_eq!(
            report().lines(PIPE),
            [
                "ok    program      ac-cred 0.1.0",
                "note  environment  AC_CRED_ORG is set,",
                "                   and nobody hears of",
                "                   it",
                "                   run: x",
                "FAIL  store        credentials are",
                "                   locked",
                "                   run: ac-cred unlock",
            ]
        );
    }

    #[test]
    fn the_first_failure_stands_for_all() {
        let denial = report().outcome().unwrap_err();
        assert_eq!(denial.error, ErrorCode::Locked);
        assert_eq!(
            denial.to_string(),
            "1 of 3 checks failed; run: ac-cred unlock"
        );
        assert!(Report::of(vec![Finding::note("x", "y")]).outcome().is_ok());
    }

    #[test]
    fn findings_in_json_are_as_documented() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(
            (json["version"].clone(), json["well"].clone()),
            (1.into(), false.into())
        );
        assert_eq!(
            json["findings"][2],
            serde_json::json!({
                "check": "store", "verdict": "fail", "message": "credentials are locked",
                "fix": "ac-cred unlock", "error": "locked",
            })
        );
    }
}
