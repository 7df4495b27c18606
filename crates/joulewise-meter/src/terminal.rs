//! The terminal that a command's process group is given while it runs.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use crate::sys;

/// The terminal of a process whose group is in its foreground.
pub(crate) struct Terminal {
    file: File,
    own_group: i32,
    lent_to: i32,
}

impl Terminal {
    /// Gives the terminal to a process group, if it is this process's to give.
    pub(crate) fn lend(group: i32) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let own_group = sys::own_group();
        (sys::foreground_group(file.as_raw_fd()) == Some(own_group)).then(|| {
            let terminal = Self { file, own_group, lent_to: group };
            terminal.give(group);
            terminal
        })
    }

    /// Deals with a command that a key press or the terminal has stopped: the user's shell sees this process stop
    /// too, and when it goes on, so does the command.
    pub(crate) fn follow_stop(&self, pid: i32) {
        match sys::stopped_by(pid) {
            None => return,
            // It wanted the terminal before it was given.
            Some(libc::SIGTTIN | libc::SIGTTOU) => {}
            Some(_) => {
                self.give(self.own_group);
                sys::kill(0, libc::SIGSTOP);
            }
        }
        if sys::foreground_group(self.file.as_raw_fd()) == Some(self.own_group) {
            self.give(self.lent_to);
        }
        sys::kill(-self.lent_to, libc::SIGCONT);
    }

    fn give(&self, group: i32) {
        sys::set_foreground_group(self.file.as_raw_fd(), group);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if sys::foreground_group(self.file.as_raw_fd()) == Some(self.lent_to) {
            self.give(self.own_group);
        }
    }
}
