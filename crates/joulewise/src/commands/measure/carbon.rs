//! What the user says about where the electricity comes from.

use anyhow::anyhow;
use joulewise_meter::carbon::{Footprint, Intensity, WORLD, ZONES, Zone};
use joulewise_meter::{Caveat, Energy};

use super::format::Format;
use crate::hint::Hint as _;

/// The options that ask for carbon.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Carbon {
    /// Tell the carbon too, with the yearly mean of a country, as in FRA or DE
    #[arg(long, value_name = "CODE", conflicts_with = "carbon-intensity")]
    zone: Option<String>,
    /// Tell the carbon too, with so many grams of CO₂e per kWh
    #[arg(id = "carbon-intensity", long, value_name = "GRAMS", value_parser = grams)]
    intensity: Option<f64>,
    /// Power usage effectiveness of the building, as in 1.2; with the world's mean unless a zone is given
    #[arg(long, value_name = "FACTOR", value_parser = pue)]
    pue: Option<f64>,
}

/// How joules become grams.
#[derive(Clone)]
pub(super) struct Factors {
    intensity: Intensity,
    pue: f64,
    is_guess: bool,
}

fn grams(text: &str) -> Result<f64, String> {
    let grams = text.parse().ok().filter(|grams: &f64| (0.0..=1e4).contains(grams));
    grams.ok_or_else(|| "expected grams of CO₂e per kWh, as in 230".to_owned())
}

fn pue(text: &str) -> Result<f64, String> {
    let pue = text.parse().ok().filter(|pue: &f64| (1.0..=10.0).contains(pue));
    pue.ok_or_else(|| "expected a factor of at least 1, as in 1.2".to_owned())
}

impl Carbon {
    /// The factors, if carbon is asked for. No country is taken for granted.
    pub(super) fn resolve(&self, format: Option<Format>) -> anyhow::Result<Option<Factors>> {
        let (intensity, is_guess) = match (&self.zone, self.intensity) {
            (Some(code), _) => (Intensity::of_zone(zone(code)?), false),
            (None, Some(grams)) => (Intensity::given(grams), false),
            // Grams are the first number that readers of this format look for.
            (None, None) if self.pue.is_some() || format == Some(Format::CodecarbonCsv) => {
                (Intensity::of_zone(WORLD), true)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Factors { intensity, pue: self.pue.unwrap_or(1.0), is_guess }))
    }
}

fn zone(code: &str) -> anyhow::Result<Zone> {
    let known: Vec<&str> = ZONES.iter().map(|zone| zone.code).collect();
    Zone::named(code).ok_or_else(|| anyhow!("no carbon intensity is known for the zone \"{code}\"")).hint(
        format!(
            "known are {}; for others give grams of CO₂e per kWh with --carbon-intensity",
            known.join(", ")
        ),
    )
}

impl Factors {
    /// What that energy emitted.
    pub(super) fn footprint(&self, energy: Energy) -> Footprint {
        Footprint::of(energy, self.intensity.clone(), self.pue)
    }

    /// What a reader must know about the factors.
    pub(super) fn caveat(&self) -> Option<Caveat> {
        self.is_guess.then(|| {
            Caveat::new(
                "carbon-zone-unknown",
                "no zone was given: grams of CO₂e are those of the world's mean electricity",
                "give --zone or --carbon-intensity",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(zone: Option<&str>, intensity: Option<f64>, pue: Option<f64>) -> Carbon {
        Carbon { zone: zone.map(str::to_owned), intensity, pue }
    }

    #[test]
    fn no_country_is_taken_for_granted() {
        assert!(of(None, None, None).resolve(None).unwrap().is_none());
        let asked = of(None, None, Some(1.5)).resolve(None).unwrap().unwrap();
        assert_eq!(asked.intensity.zone.as_deref(), Some("WORLD"));
        assert_eq!(asked.caveat().unwrap().code, "carbon-zone-unknown");
        let csv = of(None, None, None).resolve(Some(Format::CodecarbonCsv)).unwrap().unwrap();
        assert!(csv.is_guess && csv.pue == 1.0);
    }

    #[test]
    fn a_zone_or_a_number_is_no_guess() {
        let france = of(Some("fr"), None, None).resolve(None).unwrap().unwrap();
        assert_eq!((france.intensity.g_per_kwh, france.caveat()), (44.0, None));
        let given = of(None, Some(230.0), Some(1.2)).resolve(None).unwrap().unwrap();
        assert_eq!((given.intensity.g_per_kwh, given.pue, given.caveat()), (230.0, 1.2, None));
        let error = of(Some("Atlantis"), None, None).resolve(None).err().unwrap();
        assert!(error.to_string().contains("\"Atlantis\""), "{error}");
    }

    #[test]
    fn factors_are_numbers_that_make_sense() {
        assert_eq!(grams("230"), Ok(230.0));
        for nonsense in ["-1", "NaN", "inf", "much"] {
            assert!(grams(nonsense).is_err() && pue(nonsense).is_err(), "{nonsense}");
        }
        assert!(pue("0.9").is_err());
    }
}
