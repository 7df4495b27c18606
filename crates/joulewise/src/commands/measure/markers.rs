//! Spans and metrics by what a command prints: its stdout goes on untouched while its lines are looked at.

use std::io::{self, Write};

use joulewise_meter::spans::SpanSender;
use regex::bytes::{Captures, Regex};

use crate::task::metrics::MetricsFrom;

/// What marks the edges of spans on stdout: a regular expression with the group `begin`, the group `end` or both.
///
/// The text of the group is the span's name. With both groups, a line begins a span or ends it. With `begin` alone, a span
/// lasts until the next line that matches; with `end` alone, since the last one.
#[derive(Clone, Debug)]
pub(in crate::commands) struct SpanPattern {
    regex: Regex,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Both,
    Begin,
    End,
}

impl SpanPattern {
    /// The pattern of that text, or why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let regex = Regex::new(text).map_err(|error| error.to_string())?;
        let has = |group| regex.capture_names().flatten().any(|name| name == group);
        let kind = match (has("begin"), has("end")) {
            (true, true) => Kind::Both,
            (true, false) => Kind::Begin,
            (false, true) => Kind::End,
            (false, false) => {
                let cure =
                    "mark what names the span with a group `begin` or `end`, as in 'epoch (?<end>\\d+)'";
                return Err(cure.to_owned());
            }
        };
        Ok(Self { regex, kind })
    }
}

/// Passes on the output of a command and tells of the spans and the metrics in it.
pub(super) struct Markers<'a> {
    patterns: &'a [SpanPattern],
    metrics: Option<&'a MetricsFrom>,
    sender: SpanSender,
    line: Vec<u8>,
    /// When the last match of each pattern was, in nanoseconds, and the span that it began.
    last: Vec<(u64, Option<String>)>,
}

/// The rest of a longer line is not looked at.
const LONGEST_LINE: usize = 1 << 16;
/// What a metric is called that a pattern finds without naming it.
const UNNAMED: &str = "accuracy";

impl<'a> Markers<'a> {
    /// Looks for the patterns and for metrics from now on.
    pub(super) fn new(
        patterns: &'a [SpanPattern],
        metrics: Option<&'a MetricsFrom>,
        sender: SpanSender,
    ) -> Self {
        let last = vec![(SpanSender::now_ns(), None); patterns.len()];
        Self { patterns, metrics, sender, line: Vec::new(), last }
    }

    /// Passes the bytes on, then looks at the lines that they end.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        out.write_all(bytes)?;
        out.flush()?;
        self.look(bytes);
        Ok(())
    }

    fn look(&mut self, bytes: &[u8]) {
        let now_ns = SpanSender::now_ns();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if matches!(piece.last(), Some(b'\n' | b'\r')) {
                self.end_line(now_ns);
            }
        }
    }

    fn end_line(&mut self, now_ns: u64) {
        let mut line = std::mem::take(&mut self.line);
        // `$` is the end of the line without what ends it.
        line.pop_if(|byte| matches!(byte, b'\n' | b'\r'));
        for i in 0..self.patterns.len() {
            let Some(found) = self.patterns[i].regex.captures(&line) else { continue };
            // A listener that is gone, or a name that is empty, is no reason to stop the command.
            let _ = self.tell(i, &found, now_ns);
        }
        self.tell_metrics(&line, now_ns);
        self.line = line;
        self.line.clear();
    }

    fn tell_metrics(&self, line: &[u8], now_ns: u64) {
        let Some(metrics) = self.metrics else { return };
        for (name, value) in metrics.line(&String::from_utf8_lossy(line), UNNAMED).unwrap_or_default() {
            // As with spans: the command goes on without being listened to.
            let _ = self.sender.metric_at(now_ns, &name, value);
        }
    }

    fn tell(&mut self, pattern: usize, found: &Captures<'_>, now_ns: u64) -> io::Result<()> {
        let name =
            |group| found.name(group).map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
        let (last_ns, open) = &mut self.last[pattern];
        let (began_ns, before) = (std::mem::replace(last_ns, now_ns), open.take());
        match self.patterns[pattern].kind {
            Kind::Both => {
                if let Some(name) = name("end") {
                    self.sender.end_at(now_ns, &name)?;
                }
                if let Some(name) = name("begin") {
                    self.sender.begin_at(now_ns, &name)?;
                }
            }
            Kind::Begin => {
                if let Some(before) = before {
                    self.sender.end_at(now_ns, &before)?;
                }
                if let Some(name) = name("begin") {
                    self.sender.begin_at(now_ns, &name)?;
                    self.last[pattern].1 = Some(name);
                }
            }
            Kind::End => {
                if let Some(name) = name("end") {
                    self.sender.begin_at(began_ns, &name)?;
                    self.sender.end_at(now_ns, &name)?;
                }
            }
        }
        Ok(())
    }

    /// The command is over, and so is what lasted until the next line.
    fn finish(&mut self) {
        let now_ns = SpanSender::now_ns();
        if !self.line.is_empty() {
            self.end_line(now_ns);
        }
        for (_, open) in &self.last {
            if let Some(name) = open {
                let _ = self.sender.end_at(now_ns, name);
            }
        }
    }
}

impl Drop for Markers<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    /// The messages of a command that prints so, without their times, cut into chunks wherever.
    fn told(patterns: &[&str], chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        told_with(patterns, None, chunks)
    }

    fn told_with(patterns: &[&str], metrics: Option<&str>, chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let metrics = metrics.map(|from| MetricsFrom::parse(from).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let patterns: Vec<_> = patterns.iter().map(|text| SpanPattern::parse(text).unwrap()).collect();
        let mut markers =
            Markers::new(&patterns, metrics.as_ref(), SpanSender::connect(&path, "stdout").unwrap());
        let (mut passed, mut messages) = (Vec::new(), Vec::new());
        let mut receive = || {
            let mut message = [0; 4096];
            while let Ok(length) = listener.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                let words: Vec<&str> = text.split(' ').collect();
                messages.push([&words[..1], &words[3..]].concat().join(" "));
            }
        };
        for chunk in chunks {
            markers.pass(chunk, &mut passed).unwrap();
            receive();
        }
        drop(markers);
        receive();
        (messages, passed)
    }

    #[test]
    fn both_groups_begin_and_end() {
        let (messages, _) = told(
            &["^(start (?<begin>\\w+)|stop (?<end>\\w+))$"],
            &[b"start a\nnoise\nsta", b"rt b", b"\nstop b\rstop a\nstop"],
        );
        assert_eq!(messages, ["begin - a", "begin - b", "end b", "end a"]);
    }

    #[test]
    fn one_group_cuts_the_time_into_spans() {
        let lines = b"epoch 1\nepoch 2\n";
        let (messages, _) = told(&["(?<end>epoch) \\d"], &[lines]);
        assert_eq!(messages, ["begin - epoch", "end epoch", "begin - epoch", "end epoch"]);
        let (messages, _) = told(&["(?<begin>epoch \\d)"], &[lines]);
        assert_eq!(messages, ["begin - epoch 1", "end epoch 1", "begin - epoch 2", "end epoch 2"]);
    }

    #[test]
    fn metrics_are_told_with_their_values() {
        let lines = b"{\"epoch\": 1, \"loss\": 0.5}\nnoise\n{\"loss\": NaN}\n";
        let (messages, passed) = told_with(&[], Some("json"), &[lines]);
        assert_eq!(messages, ["metric epoch", "metric loss", "metric loss"]);
        assert_eq!(passed, lines);
        let (messages, _) = told_with(&[], Some("acc ([0-9.]+%?)"), &[b"acc 91.2%\n"]);
        assert_eq!(messages, ["metric accuracy"]);
    }

    #[test]
    fn every_byte_is_passed_on() {
        let long = vec![b'x'; 3 * LONGEST_LINE];
        let chunks: [&[u8]; 4] = [b"\xff\xfe\0\r\n\n", &long, b"epoch 1", b""];
        let (messages, passed) = told(&["(?<end>epoch)"], &chunks);
        assert_eq!(passed, chunks.concat());
        assert_eq!(messages, [""; 0], "it stands behind what is looked at of its line");
    }

    #[test]
    fn a_pattern_without_a_group_is_refused() {
        assert!(SpanPattern::parse("epoch").unwrap_err().contains("a group `begin` or `end`"));
        assert!(SpanPattern::parse("(").unwrap_err().contains("unclosed group"));
    }
}
