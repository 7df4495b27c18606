//! Connections to a real PostgreSQL server that encrypts.
#![cfg(feature = "postgres")]

mod server;

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use joulewise_tune::storage::{Definition, Postgres, Storage, StorageError, StorageErrorKind};
use joulewise_tune::{Direction, Objectives, Space};
use server::Server;

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";

/// A server and, beside its data, certificates.
struct Encrypting {
    server: Server,
}

impl Encrypting {
    /// A server that does not encrypt yet, and authorities that are called `ours` and `others`; `None`, having said so,
    /// where PostgreSQL or the command `openssl` is missing.
    fn prepare() -> Option<Self> {
        if let Err(error) = Command::new("openssl").arg("version").stdout(Stdio::null()).status() {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            let _ = writeln!(io::stderr(), "skipped: the command openssl is not installed");
            return None;
        }
        let server = Server::start()?;
        for name in ["ours", "others"] {
            let files = format!("-keyout {name}.key -out {name}.crt");
            openssl(server.folder(), &format!("req -x509 {NEW_KEY} -subj /CN={name} {files}"));
        }
        Some(Self { server })
    }

    /// Has the server encrypt with a certificate that `ours` signed, of these extensions.
    fn encrypt(&self, extensions: Option<&str>) {
        let folder = self.server.folder();
        let request = "req -new -subj /CN=127.0.0.1 -keyout server.key -out server.csr";
        openssl(folder, &format!("{request} {NEW_KEY}"));
        let sign =
            "x509 -req -in server.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 2 -out server.crt";
        match extensions {
            Some(extensions) => {
                fs::write(folder.join("extensions"), extensions).unwrap();
                openssl(folder, &format!("{sign} -extfile extensions"));
            }
            None => openssl(folder, sign),
        }
        self.switch_on();
    }

    /// Has the server encrypt with a certificate that nobody but itself has signed.
    fn encrypt_by_itself(&self) {
        let request = "req -x509 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";
        openssl(self.server.folder(), &format!("{request} {NEW_KEY} -keyout server.key -out server.crt"));
        self.switch_on();
    }

    fn switch_on(&self) {
        for file in ["server.key", "server.crt"] {
            let place = self.server.data(file);
            fs::copy(self.server.folder().join(file), &place).unwrap();
            self.server.own(&place);
        }
        self.server.sql("ALTER SYSTEM SET ssl = on");
        self.server.restart();
    }

    /// Connects to a host by its name or address, and says whether that was encrypted.
    fn connect(&self, user: &str, host: &str, parameters: &str) -> Result<bool, StorageError> {
        let address = self.server.address_of(user, "").replace("127.0.0.1", host);
        let name = format!("{host} {parameters}");
        let mut storage = Postgres::at(&format!("{address}?{parameters}"))?;
        let taken = |error: &StorageError| error.kind() == StorageErrorKind::Taken;
        let study = storage
            .create(&name, &definition())
            .or_else(|error| if taken(&error) { storage.open(&name) } else { Err(error) })?;
        let ours = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'joulewise'";
        let is_encrypted = self.server.sql(ours) == "t";
        drop(study);
        Ok(is_encrypted)
    }

    /// The parameters that have a server prove, to those who trust the authority in a file, as much as `mode` says.
    fn proof(&self, mode: &str, authority: &str) -> String {
        let file = self.server.folder().join(authority);
        format!("sslmode={mode}&sslrootcert={}", file.display())
    }

    /// Why a connection was refused, and what to do.
    fn refusal(&self, host: &str, parameters: &str) -> (String, &'static str) {
        let error = self.connect("test", host, parameters).expect_err("it was let in");
        assert_eq!(error.kind(), StorageErrorKind::Denied, "{error}");
        (error.to_string(), error.cure().expect("something can be done"))
    }
}

fn definition() -> Definition {
    let space = Space::new().float("x", 0.0, 1.0).unwrap();
    Definition::new(space, Objectives::single(Direction::Max), 1, "random")
}

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let ended = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(ended.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_server_is_believed_as_far_as_the_mode_says() {
    let Some(of) = Encrypting::prepare() else { return };
    assert!(!of.connect("test", "127.0.0.1", "").unwrap());
    let (told, cure) = of.refusal("127.0.0.1", "sslmode=require");
    assert!(told.ends_with("the server does not encrypt") && cure.contains("ssl = on"), "{told}; {cure}");

    of.encrypt(Some("subjectAltName = DNS:localhost, IP:127.0.0.1"));
    let ours = |mode| of.proof(mode, "ours.crt");
    for parameters in [String::new(), "sslmode=require".to_owned(), ours("require"), ours("verify-ca")] {
        assert!(of.connect("test", "127.0.0.1", &parameters).unwrap(), "{parameters}");
    }
    assert!(!of.connect("test", "127.0.0.1", "sslmode=disable").unwrap());
    for host in ["127.0.0.1", "localhost"] {
        assert!(of.connect("test", host, &ours("verify-full")).unwrap(), "{host}");
    }
    // A host may be named and found by an address, or be known by its address only.
    let elsewhere = |mode| format!("{}&hostaddr=127.0.0.1", ours(mode));
    assert!(of.connect("test", "db.example", &elsewhere("verify-ca")).unwrap());
    let by_address = format!(
        "postgresql://test@/postgres?hostaddr=127.0.0.1&port={}&{}",
        of.server.sql("SHOW port"),
        ours("verify-full")
    );
    let mut storage = Postgres::at(&by_address).unwrap();
    storage.create("by its address", &definition()).unwrap();

    let (told, cure) = of.refusal("db.example", &elsewhere("verify-full"));
    assert!(told.contains("is for localhost and 127.0.0.1, and not for db.example"), "{told}");
    assert!(cure.contains("verify-ca"), "{cure}");
    for mode in ["require", "verify-ca", "verify-full"] {
        let (told, cure) = of.refusal("127.0.0.1", &of.proof(mode, "others.crt"));
        assert!(told.contains("no authority that is trusted has signed"), "{told}");
        assert!(cure.contains("sslrootcert"), "{cure}");
    }
    for (authority, problem) in [("nobody", "cannot read"), ("ours.key", "no certificate")] {
        let (told, cure) = of.refusal("127.0.0.1", &of.proof("verify-full", authority));
        assert!(told.contains(problem) && cure.contains("sslrootcert"), "{told}; {cure}");
    }
    for parameters in ["sslmode=verify-full", "sslrootcert=system"] {
        let (told, _) = of.refusal("127.0.0.1", parameters);
        assert!(told.contains("authority"), "the machine trusts an authority of a test: {told}");
    }
}

#[test]
fn passwords_are_bound_to_what_is_encrypted() {
    let Some(of) = Encrypting::prepare() else { return };
    of.encrypt(Some("subjectAltName = IP:127.0.0.1"));
    of.server.sql("CREATE ROLE ann LOGIN PASSWORD 'secret' SUPERUSER");
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(of.server.data("pg_hba.conf"), rules).unwrap();
    of.server.restart();
    let proof = of.proof("verify-full", "ours.crt");
    assert!(of.connect("ann:secret", "127.0.0.1", &format!("{proof}&channel_binding=require")).unwrap());
    let (told, cure) = of.refusal("127.0.0.1", "sslmode=disable");
    assert!(told.contains("no encryption") && cure.contains("sslmode=require"), "{told}; {cure}");
    // Nobody can listen to a socket of the machine, so it is not encrypted whatever the mode.
    let mut storage = Postgres::at(&format!("{}&{proof}", of.server.address())).unwrap();
    storage.create("over a socket", &definition()).unwrap();
}

#[test]
fn certificates_that_are_made_in_a_hurry_encrypt_all_the_same() {
    let Some(of) = Encrypting::prepare() else { return };
    // As some versions of the command make them without a word: of version 1, without the names of hosts.
    of.encrypt(None);
    for parameters in ["", "sslmode=require"] {
        assert!(of.connect("test", "127.0.0.1", parameters).unwrap(), "{parameters}");
    }
    of.encrypt(Some("keyUsage = digitalSignature"));
    assert!(of.connect("test", "127.0.0.1", &of.proof("verify-ca", "ours.crt")).unwrap());
    let (told, cure) = of.refusal("127.0.0.1", &of.proof("verify-full", "ours.crt"));
    assert!(told.contains("names no host") && cure.contains("subjectAltName"), "{told}; {cure}");

    of.encrypt_by_itself();
    assert!(of.connect("test", "127.0.0.1", &of.proof("verify-full", "server.crt")).unwrap());
    assert!(of.refusal("localhost", &of.proof("verify-full", "server.crt")).0.contains("not for localhost"));
    assert!(of.refusal("127.0.0.1", &of.proof("verify-ca", "ours.crt")).0.contains("authority"));
}
