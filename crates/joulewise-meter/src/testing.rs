//! The conformance suite for implementations of [`Source`].

use std::collections::HashSet;

use crate::source::{Place, ReadErrorKind, Reading, Source};

/// How often the suite reads the source.
const READINGS: usize = 20;

/// Checks that a source keeps its contract; for use in tests.
///
/// # Panics
///
/// With the rule that the source breaks.
pub fn check_source(source: &mut dyn Source) {
    assert!(!source.name().is_empty(), "a source has a name");
    check_domains(source);
    let domains = source.domains().to_vec();
    let mut last = Reading::new(domains.len());
    let mut taken = 0;
    for _ in 0..READINGS {
        let mut reading = Reading::new(domains.len());
        match source.read(&mut reading) {
            Ok(()) => taken += 1,
            Err(error) if error.kind() == ReadErrorKind::Retry => continue,
            Err(error) => panic!("a source that was just opened can be read: {error}"),
        }
        assert_eq!(source.domains(), domains, "domains do not change");
        assert_eq!(reading.joules.len(), domains.len(), "there is one number of joules per domain");
        assert_eq!(reading.lag_j.len(), domains.len(), "there is one lag per domain");
        assert!(reading.at >= last.at || taken == 1, "readings do not go back in time");
        for (i, domain) in domains.iter().enumerate() {
            let (joules, lag_j) = (reading.joules[i], reading.lag_j[i]);
            assert!(joules.is_finite(), "joules of `{}` are a number, not {joules}", domain.name);
            assert!(joules >= last.joules[i], "joules of `{}` never decrease", domain.name);
            assert!(lag_j.is_finite() && lag_j >= 0.0, "lag of `{}` is at least 0, not {lag_j}", domain.name);
        }
        last = reading;
    }
    assert!(taken > 0, "at least one of {READINGS} readings succeeds");
}

fn check_domains(source: &dyn Source) {
    let domains = source.domains();
    assert!(!domains.is_empty(), "a source has a domain");
    let mut names = HashSet::new();
    for (i, domain) in domains.iter().enumerate() {
        assert!(!domain.name.is_empty(), "domain {i} has a name");
        assert!(names.insert(&domain.name), "domain names are unique, `{}` is not", domain.name);
        let (low, high) = domain.scale;
        assert!(low > 0.0 && low <= 1.0 && high >= 1.0, "scale of `{}` encloses 1", domain.name);
        let mut at = i;
        for _ in 0..=domains.len() {
            let Place::Inside(parent) = domains[at].place else { break };
            assert!(parent < domains.len(), "parent of `{}` exists", domains[at].name);
            assert_ne!(parent, i, "`{}` is not inside itself", domain.name);
            at = parent;
        }
    }
    let roots = domains.iter().filter(|domain| domain.place == Place::Root).count();
    assert!(roots > 0, "at least one domain is a root");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Method;
    use crate::source::{Domain, ReadError};

    struct Scripted {
        domains: Vec<Domain>,
        joules: f64,
        step: f64,
    }

    impl Source for Scripted {
        fn name(&self) -> String {
            "scripted".to_owned()
        }

        fn domains(&self) -> &[Domain] {
            &self.domains
        }

        fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
            self.joules += self.step;
            into.at = std::time::Instant::now();
            into.joules[0] = self.joules;
            Ok(())
        }
    }

    fn scripted(places: &[Place], step: f64) -> Scripted {
        let domain = |(i, &place): (usize, &Place)| Domain {
            name: format!("d{i}"),
            place,
            method: Method::Measured,
            scale: (1.0, 1.0),
        };
        Scripted { domains: places.iter().enumerate().map(domain).collect(), joules: 10.0, step }
    }

    #[test]
    fn accepts_a_source_that_keeps_the_contract() {
        check_source(&mut scripted(&[Place::Root, Place::Inside(0), Place::Beside], 0.5));
    }

    #[test]
    #[should_panic(expected = "never decrease")]
    fn finds_a_counter_that_runs_backwards() {
        check_source(&mut scripted(&[Place::Root], -0.5));
    }

    #[test]
    #[should_panic(expected = "not inside itself")]
    fn finds_a_cycle() {
        check_source(&mut scripted(&[Place::Inside(1), Place::Inside(0), Place::Root], 0.5));
    }

    #[test]
    #[should_panic(expected = "at least one domain is a root")]
    fn finds_a_source_that_sums_nothing() {
        check_source(&mut scripted(&[Place::Beside], 0.5));
    }
}
