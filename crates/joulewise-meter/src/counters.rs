//! The processor's energy counters, from whichever interface of the kernel gives all of them.

use std::path::Path;
use std::time::Duration;

use crate::event::Caveat;
use crate::perf::{self, Perf};
use crate::powercap::Powercap;
use crate::source::Source;

/// What [`open`] found.
pub(crate) struct Opened {
    /// One interface for every domain and for the whole run: they show the same joules, which are not to be summed.
    pub(crate) source: Option<Box<dyn Source>>,
    /// How long it may go unread.
    pub(crate) safe_period: Duration,
    /// Counters that are there and that no interface gives.
    pub(crate) caveats: Vec<Caveat>,
}

/// Opens powercap if all of it can be read, else the `power` events if all of them can, else what there is.
pub(crate) fn open(sysfs: &Path) -> Opened {
    open_with(sysfs, || Perf::open(sysfs))
}

/// The same with events that are opened in another way.
pub(crate) fn open_with(sysfs: &Path, perf: impl FnOnce() -> perf::Opened) -> Opened {
    choose(open_powercap(sysfs), || from_perf(perf()))
}

fn open_powercap(sysfs: &Path) -> Opened {
    let found = Powercap::open(sysfs);
    let safe_period = found.source.as_ref().map_or(Duration::MAX, Powercap::safe_period);
    let source = found.source.map(|source| Box::new(source) as Box<dyn Source>);
    Opened { source, safe_period, caveats: found.caveats }
}

fn from_perf(found: perf::Opened) -> Opened {
    let safe_period = found.source.as_ref().map_or(Duration::MAX, Perf::safe_period);
    let source = found.source.map(|source| Box::new(source) as Box<dyn Source>);
    Opened { source, safe_period, caveats: found.caveats }
}

fn choose(powercap: Opened, perf: impl FnOnce() -> Opened) -> Opened {
    if powercap.is_whole() {
        return powercap;
    }
    let perf = perf();
    match (&powercap.source, &perf.source) {
        _ if perf.is_whole() => perf,
        (Some(_), _) => powercap,
        (None, Some(_)) => perf,
        (None, None) => {
            let caveats = [powercap.caveats, perf.caveats].concat();
            Opened { source: None, safe_period: Duration::MAX, caveats }
        }
    }
}

impl Opened {
    fn is_whole(&self) -> bool {
        self.source.is_some() && self.caveats.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Method;
    use crate::source::{Domain, Place, ReadError, Reading};

    struct Named(&'static str, [Domain; 1]);

    impl Source for Named {
        fn name(&self) -> String {
            self.0.to_owned()
        }

        fn domains(&self) -> &[Domain] {
            &self.1
        }

        fn read(&mut self, _: &mut Reading) -> Result<(), ReadError> {
            Ok(())
        }
    }

    fn opened(source: Option<&'static str>, caveats: &[&str]) -> Opened {
        let domain = || Domain {
            name: "package-0".to_owned(),
            place: Place::Root,
            method: Method::Measured,
            scale: (1.0, 1.0),
        };
        Opened {
            source: source.map(|name| Box::new(Named(name, [domain()])) as Box<dyn Source>),
            safe_period: Duration::from_secs(1),
            caveats: caveats.iter().map(|text| Caveat::new("unreadable-counter", *text, "")).collect(),
        }
    }

    fn chosen(powercap: Opened, perf: Opened) -> (Option<String>, Vec<String>) {
        let chosen = choose(powercap, || perf);
        let caveats = chosen.caveats.into_iter().map(|caveat| caveat.text).collect();
        (chosen.source.map(|source| source.name()), caveats)
    }

    #[test]
    fn one_interface_gives_every_joule() {
        let powercap = || opened(Some("powercap"), &[]);
        let part = || opened(Some("powercap"), &["no memory"]);
        let refused = || opened(None, &["no zones"]);
        let perf = || opened(Some("perf"), &[]);
        let part_of_perf = || opened(Some("perf"), &["no events of memory"]);
        let no_perf = || opened(None, &["no events"]);
        let name = |name: &str| Some(name.to_owned());

        assert_eq!(chosen(powercap(), perf()), (name("powercap"), vec![]));
        assert_eq!(chosen(refused(), perf()), (name("perf"), vec![]));
        assert_eq!(chosen(part(), perf()), (name("perf"), vec![]));
        assert_eq!(chosen(part(), part_of_perf()), (name("powercap"), vec!["no memory".to_owned()]));
        assert_eq!(chosen(refused(), part_of_perf()), (name("perf"), vec!["no events of memory".to_owned()]));
        let nothing = (None, vec!["no zones".to_owned(), "no events".to_owned()]);
        assert_eq!(chosen(refused(), no_perf()), nothing);
    }

    #[test]
    fn events_are_not_asked_for_where_powercap_is_whole() {
        let chosen = choose(opened(Some("powercap"), &[]), || panic!("asked"));
        assert_eq!(chosen.source.unwrap().name(), "powercap");
    }
}
