//! A connection that is made again when it breaks.

use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Error};

use super::address::Address;
use super::failure::{is_broken, is_crowded, told};
use crate::storage::{StorageError, StorageErrorKind};

/// For how long a server that lets nobody in yet is asked again at first, as when hundreds of workers begin at once.
const AT_FIRST: Duration = Duration::from_secs(30);
/// For how long a server that was there is looked for: a restart takes seconds, moving to another machine minutes.
const AFTERWARDS: Duration = Duration::from_mins(5);
/// The first pause before trying again; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection that is made again when it breaks.
pub(super) struct Link {
    address: Address,
    session: Option<Session>,
}

/// One connection.
pub(super) struct Session {
    pub(super) client: Client,
    /// Whether nothing was asked through it yet.
    pub(super) is_new: bool,
    /// Whether the server tells it of news.
    pub(super) is_listening: bool,
}

/// Why something was not done.
pub(super) enum Trouble {
    /// What the server, or the network, said.
    Server(Error),
    /// It cannot be.
    Final(StorageError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Final(error)
    }
}

impl Link {
    /// Connects. Only where there is a server, but it lets nobody in for the moment, that is tried again.
    pub(super) fn open(address: Address) -> Result<Self, StorageError> {
        let mut link = Self { address, session: None };
        link.retry(AT_FIRST, is_crowded, |_| Ok(()))?;
        Ok(link)
    }

    /// Does `work`, and does it again with another connection when the connection breaks. What `work` began in a
    /// transaction has then not happened, unless what broke was its commit.
    pub(super) fn persist<T>(
        &mut self,
        work: impl FnMut(&mut Session) -> Result<T, Trouble>,
    ) -> Result<T, StorageError> {
        self.retry(AFTERWARDS, is_broken, work)
    }

    fn retry<T>(
        &mut self,
        patience: Duration,
        will_pass: fn(&Error) -> bool,
        mut work: impl FnMut(&mut Session) -> Result<T, Trouble>,
    ) -> Result<T, StorageError> {
        let begin = Instant::now();
        let mut pause = PAUSE;
        loop {
            let error = match self.session().and_then(&mut work) {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Server(error)) => error,
            };
            if is_broken(&error) {
                self.session = None;
            }
            if !will_pass(&error) || begin.elapsed() + pause > patience {
                return Err(told(self.address.shown(), &error));
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn session(&mut self) -> Result<&mut Session, Trouble> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session { client: connect(&self.address)?, is_new: true, is_listening: false },
        };
        Ok(self.session.insert(session))
    }
}

fn connect(address: &Address) -> Result<Client, Trouble> {
    let connector = address.encryption.connector().map_err(|problem| {
        StorageError::new(StorageErrorKind::Denied, format!("{}: {problem}", address.shown()))
            .cured_by("name, with sslrootcert, a file of the authority's certificate as text (PEM)")
    })?;
    Ok(address.config.connect(connector)?)
}
