//! The output of a program, taken from it line by line.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use crate::sys;

/// Receives the lines.
pub(crate) type OnLine<'a> = Box<dyn FnMut(Stream, &str) + 'a>;
/// Receives standard output as it comes, and says whether there is a use for more.
pub(crate) type OnStdout<'a> = Box<dyn FnMut(&[u8]) -> bool + 'a>;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The output that is taken from the program.
pub(crate) struct Output<'a> {
    pipes: Vec<(Stream, Lines)>,
    on_line: Option<OnLine<'a>>,
    bytes: Option<(Bytes, OnStdout<'a>)>,
}

impl<'a> Output<'a> {
    pub(crate) fn of(
        child: &mut Child,
        on_line: Option<OnLine<'a>>,
        on_stdout: Option<OnStdout<'a>>,
    ) -> io::Result<Self> {
        let mut bytes = None;
        if let (Some(on_stdout), Some(stdout)) = (on_stdout, child.stdout.take_if(|_| on_line.is_none())) {
            bytes = Some((Bytes::of(OwnedFd::from(stdout))?, on_stdout));
        }
        let mut pipes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            pipes.push((Stream::Stdout, Lines::of(OwnedFd::from(stdout))?));
        }
        if let Some(stderr) = child.stderr.take() {
            pipes.push((Stream::Stderr, Lines::of(OwnedFd::from(stderr))?));
        }
        Ok(Self { pipes, on_line, bytes })
    }

    /// Waits for output or for the end.
    pub(crate) fn wait(&self, pidfd: Option<&OwnedFd>, at_most: Option<Duration>) {
        let pipes =
            self.pipes.iter().filter(|(_, lines)| !lines.is_over).map(|(_, lines)| lines.pipe.as_raw_fd());
        let bytes = self.bytes.iter().filter_map(|(bytes, _)| bytes.pipe.as_ref().map(AsRawFd::as_raw_fd));
        let fds: Vec<i32> = pidfd.map(AsRawFd::as_raw_fd).into_iter().chain(pipes).chain(bytes).collect();
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let timeout_ms = at_most.map(|time| (time.as_millis() + 1).min(i32::MAX as u128) as i32);
        sys::wait_readable(&fds, timeout_ms);
    }

    /// Hands over what is there.
    pub(crate) fn drain(&mut self) {
        if let Some((bytes, on_stdout)) = &mut self.bytes {
            bytes.read(on_stdout);
        }
        let Some(on_line) = &mut self.on_line else { return };
        for (stream, lines) in &mut self.pipes {
            lines.read(&mut |line| on_line(*stream, line));
        }
    }

    /// Hands over the rest. What a process left behind writes later is not waited for.
    pub(crate) fn finish(&mut self) {
        self.drain();
        let Some(on_line) = &mut self.on_line else { return };
        for (stream, lines) in &mut self.pipes {
            lines.end(&mut |line| on_line(*stream, line));
        }
    }
}

/// Pieces that are read at a time: more than a pipe holds, but not for ever, since whoever runs the program has other things
/// to look at, as whether its time is over.
const MOST_CHUNKS: usize = 64;

/// A pipe whose bytes are handed over as they are.
struct Bytes {
    /// `None` once it is over, or nobody wants more of it: its writer is then told so by the kernel.
    pipe: Option<File>,
}

impl Bytes {
    fn of(pipe: OwnedFd) -> io::Result<Self> {
        sys::set_nonblocking(&pipe)?;
        Ok(Self { pipe: Some(File::from(pipe)) })
    }

    fn read(&mut self, hand_over: &mut dyn FnMut(&[u8]) -> bool) {
        let mut chunk = [0; 8192];
        for _ in 0..MOST_CHUNKS {
            let Some(pipe) = &mut self.pipe else { return };
            let goes_on = match pipe.read(&mut chunk) {
                Ok(0) => false,
                Ok(length) => hand_over(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => false,
            };
            if !goes_on {
                self.pipe = None;
            }
        }
    }
}

/// A pipe cut into lines.
struct Lines {
    pipe: File,
    line: Vec<u8>,
    /// A line feed after a carriage return is no second line end.
    after_return: bool,
    is_over: bool,
}

/// A longer line is handed over in pieces.
const LONGEST_LINE: usize = 1 << 20;

impl Lines {
    fn of(pipe: OwnedFd) -> io::Result<Self> {
        sys::set_nonblocking(&pipe)?;
        Ok(Self { pipe: File::from(pipe), line: Vec::new(), after_return: false, is_over: false })
    }

    fn read(&mut self, hand_over: &mut dyn FnMut(&str)) {
        let mut chunk = [0; 8192];
        for _ in 0..MOST_CHUNKS {
            if self.is_over {
                return;
            }
            match self.pipe.read(&mut chunk) {
                Ok(0) => self.is_over = true,
                Ok(length) => self.take(&chunk[..length], hand_over),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_over = error.kind() != io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], hand_over: &mut dyn FnMut(&str)) {
        for &byte in bytes {
            let is_second_end = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if is_second_end => {}
                b'\n' | b'\r' => self.hand_over(hand_over),
                _ => self.line.push(byte),
            }
            if self.line.len() >= LONGEST_LINE {
                self.hand_over(hand_over);
            }
        }
    }

    fn hand_over(&mut self, hand_over: &mut dyn FnMut(&str)) {
        hand_over(&String::from_utf8_lossy(&self.line));
        self.line.clear();
    }

    fn end(&mut self, hand_over: &mut dyn FnMut(&str)) {
        if !self.line.is_empty() {
            self.hand_over(hand_over);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_may_come_in_pieces() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut lines = Lines::of(OwnedFd::from(reader)).unwrap();
        let mut got = Vec::new();
        for piece in ["on", "e\r", "\ntwo\n\nth", "ree"] {
            writer.write_all(piece.as_bytes()).unwrap();
            lines.read(&mut |line| got.push(line.to_owned()));
        }
        lines.end(&mut |line| got.push(line.to_owned()));
        assert_eq!(got, ["one", "two", "", "three"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut lines = Lines::of(OwnedFd::from(reader)).unwrap();
        let mut lengths = Vec::new();
        for _ in 0..=LONGEST_LINE / 4096 {
            writer.write_all(&[b'x'; 4096]).unwrap();
            lines.read(&mut |line| lengths.push(line.len()));
        }
        assert_eq!(lengths, [LONGEST_LINE]);
    }
}
