//! Where a PostgreSQL server is, and who asks it.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::{Host, SslMode};

use super::encryption::Encryption;
use super::password_file::{self, Login};
use crate::storage::{StorageError, StorageErrorKind};

/// Where a server's socket is if nobody says anything.
const SOCKETS: &str = "/var/run/postgresql";
/// For how long one host is tried.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection over which nothing was heard for so long is asked whether somebody is there.
const IDLE: Duration = Duration::from_secs(30);

/// Where a server is, who asks it, and how that is kept from others.
#[derive(Clone)]
pub(super) struct Address {
    shown: String,
    pub(super) config: Config,
    pub(super) encryption: Encryption,
    /// Whether the password stands in the address itself.
    is_told: bool,
}

impl Address {
    /// What stands behind the scheme of an address.
    pub(super) fn rest(text: &str) -> Option<&str> {
        text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
    }

    /// Reads an address, and from `variable` what it does not say.
    pub(super) fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, StorageError> {
        let rest = Self::rest(text).ok_or_else(|| refused("", "it does not begin with postgresql://"))?;
        let (credentials, place) =
            rest.split_once('@').map_or((None, rest), |(who, place)| (Some(who), place));
        let user = credentials.map(|who| who.split_once(':').map_or(who, |(user, _)| user));
        let (host, query) = place.split_once('?').map_or((place, ""), |(host, query)| (host, query));
        if credentials.is_some_and(|who| who.contains(['/', '?'])) || place.contains('@') {
            return Err(refused("", "of a user or a password, @ is written %40, / is %2F and ? is %3F"));
        }
        let (mut mode, mut roots) = (variable("PGSSLMODE"), variable("PGSSLROOTCERT").map(PathBuf::from));
        let (mut ours, mut public) = (Vec::new(), Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let decoded = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match key {
                "sslmode" => mode = Some(decoded()),
                "sslrootcert" => roots = Some(decoded().into()),
                _ => ours.push(parameter),
            }
            if key != "password" {
                public.push(parameter);
            }
        }
        let joined = |who: Option<&str>, parameters: &[&str]| {
            let who = who.map(|who| format!("{who}@")).unwrap_or_default();
            let query =
                if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
            format!("postgresql://{who}{host}{query}")
        };
        let shown = joined(user, &public);
        let config = joined(credentials, &ours).parse::<Config>().map_err(|error| {
            let problem =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            refused(&shown, &problem)
        })?;
        let encryption =
            Encryption::of(mode.as_deref(), roots).map_err(|problem| refused(&shown, &problem))?;
        let is_told = config.get_password().is_some();
        let mut address = Self { shown, config, encryption, is_told };
        address.fill_in(variable)?;
        Ok(address)
    }

    /// Takes what the address does not say from the environment, and from the file of passwords.
    fn fill_in(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), StorageError> {
        let Self { shown, config, encryption, .. } = self;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host(&variable("PGHOST").unwrap_or_else(|| SOCKETS.to_owned()));
            // A place without a host has no port either.
            if let (Some(port), []) = (variable("PGPORT"), config.get_ports()) {
                let port = port.parse().map_err(|_| refused(shown, "PGPORT is no number of a port"))?;
                config.port(port);
            }
        }
        if config.get_hosts().is_empty() {
            // A server that has an address and no name proves that it is the one of this address.
            for address in config.get_hostaddrs().to_vec() {
                config.host(&address.to_string());
            }
        }
        if let (Some(user), None) = (variable("PGUSER").or_else(|| variable("USER")), config.get_user()) {
            config.user(&user);
        }
        if let (Some(database), None) = (variable("PGDATABASE"), config.get_dbname()) {
            config.dbname(&database);
        }
        if config.get_password().is_none()
            && let Some(password) = variable("PGPASSWORD").or_else(|| saved(config, variable))
        {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("joulewise");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_idle(IDLE).keepalives_interval(IDLE / 3).keepalives_retries(3);
        }
        let is_local = |host: &Host| !matches!(host, Host::Tcp(_));
        if config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_local) {
            // Nobody can listen to a socket of this machine, and servers do not encrypt there.
            config.ssl_mode(SslMode::Disable);
        } else {
            config.ssl_mode(encryption.mode());
        }
        Ok(())
    }

    /// The address as it was given, without the password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The password that stands in the address.
    pub(super) fn password(&self) -> Option<&str> {
        self.config.get_password().filter(|_| self.is_told).and_then(|text| std::str::from_utf8(text).ok())
    }
}

/// What the file of passwords has for whoever asks.
fn saved(config: &Config, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host,
        _ => "localhost",
    };
    let user = config.get_user()?;
    let login = Login {
        host,
        port: config.get_ports().first().copied().unwrap_or(5432),
        database: config.get_dbname().unwrap_or(user),
        user,
    };
    password_file::password(&password_file::place(variable)?, &login)
}

fn refused(shown: &str, problem: &str) -> StorageError {
    let shown = if shown.is_empty() { "the address of the database" } else { shown };
    StorageError::new(StorageErrorKind::Refused, format!("{shown}: {problem}"))
        .cured_by("write it as in postgresql://user@host:5432/database?sslmode=verify-full")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let texts = [
            "postgresql://ann:s%40cret@db.example:5433/tune?sslmode=require&connect_timeout=3",
            "postgres://ann@db.example:5433/tune?sslmode=require&password=s%40cret&connect_timeout=3",
        ];
        for text in texts {
            let address = Address::read(text, &nothing).unwrap();
            let shown = "postgresql://ann@db.example:5433/tune?sslmode=require&connect_timeout=3";
            assert_eq!(address.shown(), shown);
            assert_eq!(address.password(), Some("s@cret"));
            assert_eq!(address.config.get_dbname(), Some("tune"));
        }
        for text in
            ["postgresql://u:pa@ss@host/db", "postgresql://u:pa/s?s@host/db", "postgresql://u:secret@h:no/db"]
        {
            let told = Address::read(text, &nothing).err().unwrap().to_string();
            assert!(
                ["pa", "secret"].iter().all(|part| !told.replace("password", "").contains(part)),
                "{told}"
            );
        }
    }

    #[test]
    fn the_environment_says_what_the_address_does_not() {
        let variable = |name: &str| {
            let value = match name {
                "PGHOST" => "db.example",
                "PGPORT" => "6000",
                "PGUSER" => "ann",
                "PGPASSWORD" => "secret",
                "PGDATABASE" => "tune",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = Address::read("postgresql://", &variable).unwrap().config;
        assert_eq!(config.get_hosts(), [Host::Tcp("db.example".to_owned())]);
        assert_eq!((config.get_ports(), config.get_user()), (&[6000][..], Some("ann")));
        assert_eq!(config.get_password(), Some(&b"secret"[..]));
        let address = Address::read("postgresql://bob@other/db", &variable).unwrap();
        assert_eq!(address.config.get_ports(), [5432]);
        assert_eq!((address.config.get_user(), address.config.get_dbname()), (Some("bob"), Some("db")));
        assert_eq!(address.password(), None, "other processes have it from the environment too");
        let nobody = Address::read("postgresql:///db", &nothing).unwrap();
        assert_eq!(nobody.config.get_hosts(), [Host::Unix(SOCKETS.into())]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let parameters = ["sslmode=perhaps", "colour=red", "sslrootcert=system&sslmode=require"];
        let texts = parameters.map(|parameters| format!("postgresql://h/db?{parameters}"));
        for text in texts.iter().map(String::as_str).chain(["mysql://h/db"]) {
            let error = Address::read(text, &nothing).err().unwrap();
            assert!(error.kind() == StorageErrorKind::Refused && error.cure().is_some(), "{text}: {error}");
        }
    }
}
