//! The log of a run's events: one JSON object per line, written as they happen.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use joulewise_meter::event::{Event, Observer};

/// Appends every event it observes to `events.jsonl`.
///
/// A line goes to the file whole, with one write, so a run that is killed leaves at most its last line torn.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    line: Vec<u8>,
    failed: Option<io::Error>,
}

impl EventLog {
    /// Opens the log at `path` to append to it; a torn last line of an earlier process is ended first.
    pub fn append(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        if is_torn(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, line: Vec::new(), failed: None })
    }

    /// Puts what was written on the disk, and tells of the first write that failed, as on a full disk.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.file.sync_data(),
        }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

impl Observer for EventLog {
    /// Appends the event. The work must not stop for its log, so an error waits for [`EventLog::finish`].
    fn on(&mut self, event: &Event) {
        if self.failed.is_none() {
            self.failed = self.write(event).err();
        }
    }
}

/// Whether the last line has no end.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The events of a log. Lines that are no events are left out: a killed run tears its last line, and a newer
/// version may know more kinds.
pub fn parse(log: &str) -> Vec<Event> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn events_are_read_back_and_a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let events = fixture::events();
        let mut log = EventLog::append(&path).unwrap();
        events[..3].iter().for_each(|event| log.on(event));
        log.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        assert_eq!(parse(&std::fs::read_to_string(&path).unwrap()), events[..2]);

        let mut log = EventLog::append(&path).unwrap();
        log.on(&events[3]);
        log.finish().unwrap();
        let kept = [events[0].clone(), events[1].clone(), events[3].clone()];
        assert_eq!(parse(&std::fs::read_to_string(&path).unwrap()), kept);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_told_at_the_end() {
        let mut log = EventLog::append(Path::new("/dev/full")).unwrap();
        log.on(&fixture::events()[0]);
        log.on(&fixture::events()[1]);
        assert_eq!(log.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
