//! What the commands print with `--json`.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::diff::Calls;
use crate::call::{Call, Number, Trunk};
use crate::dialplan::{Change, Explanation, Step, WhenFull};
use crate::document::{Diagnostic, Place, Severity};
use crate::fleet::rate::Rate;

pub(super) fn print(document: &impl Serialize, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

#[derive(Serialize)]
pub(super) struct Checked {
    pub(super) files: usize,
    pub(super) tenants: usize,
    pub(super) patterns: usize,
    pub(super) errors: usize,
    pub(super) warnings: usize,
    pub(super) diagnostics: Vec<Problem>,
}

#[derive(Serialize)]
pub(super) struct Problem {
    severity: &'static str,
    #[serde(flatten)]
    place: At,
    message: String,
}

/// Line and column from 1.
#[derive(Serialize)]
struct At {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
}

pub(super) fn diagnostic(diagnostic: &Diagnostic) -> Problem {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    Problem { severity, place: at(&diagnostic.place), message: diagnostic.message.clone() }
}

fn at(place: &Place) -> At {
    let file = place.path().map(|path| path.display().to_string());
    match place {
        Place::Variable(_) | Place::Whole(_) => At { file, line: None, column: None },
        Place::At { line, column, .. } => At { file, line: Some(*line), column: Some(*column) },
    }
}

#[derive(Serialize)]
pub(super) struct Explained<'a> {
    at: String,
    called: NumberRead<'a>,
    /// `null`: anonymous.
    caller: Option<NumberRead<'a>>,
    diverted_from: Option<NumberRead<'a>>,
    trunk: Option<&'a str>,
    project: Option<&'a str>,
    /// `null`: the call is `[unmatched]`.
    route: Option<StepLine<'a>>,
    /// `null`: no call of the route is beyond its tenant's caps.
    when_full: Option<WhenFullLine>,
    passed: Vec<StepLine<'a>>,
}

/// As it was given, and in E.164 where it could be read.
#[derive(Serialize)]
struct NumberRead<'a> {
    number: Option<&'a str>,
    raw: &'a str,
}

/// `null`: no cap.
#[derive(Serialize)]
struct WhenFullLine {
    calls: Option<u32>,
    calls_per_second: Option<f64>,
    action: &'static str,
}

#[derive(Serialize)]
struct StepLine<'a> {
    tenant: &'a str,
    id: &'a str,
    r#match: &'static str,
    pattern: Option<&'a str>,
    conditions: &'a [String],
    action: &'a str,
    #[serde(flatten)]
    place: At,
    /// Why it was passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

pub(super) fn explained<'a>(call: &'a Call, at: Timestamp, explanation: &'a Explanation) -> Explained<'a> {
    Explained {
        at: at.to_string(),
        called: number(&call.called),
        caller: call.caller.number().map(number),
        diverted_from: call.diverter.as_ref().map(|by| number(&by.number)),
        trunk: call.trunk.as_ref().map(Trunk::called),
        project: call.origin.project(),
        route: explanation.winner.as_ref().map(step),
        when_full: explanation.when_full.as_ref().map(when_full),
        passed: explanation.passed.iter().map(step).collect(),
    }
}

fn number(number: &Number) -> NumberRead<'_> {
    NumberRead { number: number.e164.as_ref().map(|e164| e164.reveal()), raw: number.raw.reveal() }
}

fn when_full(when_full: &WhenFull) -> WhenFullLine {
    WhenFullLine {
        calls: when_full.caps.calls,
        calls_per_second: when_full.caps.per_second.map(Rate::get),
        action: when_full.action,
    }
}

fn step(step: &Step) -> StepLine<'_> {
    StepLine {
        tenant: step.tenant.as_str(),
        id: &step.route,
        r#match: step.matched.name(),
        pattern: step.pattern.as_deref(),
        conditions: &step.conditions,
        action: &step.action,
        place: at(&step.place),
        why: step.why.as_deref(),
    }
}

#[derive(Serialize)]
pub(super) struct Differences<'a> {
    changes: Vec<ChangeLine<'a>>,
    /// `null` without `--calls`.
    calls: Option<CallsLine<'a>>,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    called: &'a str,
    old: &'a [String],
    new: &'a [String],
}

#[derive(Serialize)]
struct CallsLine<'a> {
    read: usize,
    unreadable: usize,
    changes: Vec<CallLine<'a>>,
}

#[derive(Serialize)]
struct CallLine<'a> {
    id: String,
    at: String,
    called: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
}

pub(super) fn differences<'a>(changes: &'a [Change], calls: Option<&'a Calls>) -> Differences<'a> {
    let change = |change: &'a Change| ChangeLine {
        called: &change.claimed,
        old: change.old.routes(),
        new: change.new.routes(),
    };
    Differences { changes: changes.iter().map(change).collect(), calls: calls.map(calls_line) }
}

fn calls_line(calls: &Calls) -> CallsLine<'_> {
    let moved = calls.moved.iter().map(|call| CallLine {
        id: call.id.to_string(),
        at: call.at.to_string(),
        called: &call.called,
        old: call.old.as_deref(),
        new: call.new.as_deref(),
    });
    CallsLine { read: calls.read, unreadable: calls.unreadable, changes: moved.collect() }
}
