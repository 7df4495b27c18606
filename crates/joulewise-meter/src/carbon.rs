//! From joules to grams of CO₂-equivalent, with the source of the factor.
//!
//! The table holds the carbon intensity of electricity production by country, yearly means over the life cycle, from
//! Ember's Yearly Electricity Data (<https://ember-energy.org/data/yearly-electricity-data>), licensed CC BY 4.0,
//! rounded to whole grams. Electricity that crosses borders and the hour of the day are not in it.

use serde::{Deserialize, Serialize};

use crate::energy::Energy;

/// The year that the table speaks of.
pub const YEAR: u16 = 2024;

/// A country or a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    /// Three letters (ISO 3166), `EU` or `WORLD`.
    pub code: &'static str,
    /// The two letters that may stand for them.
    pub short: &'static str,
    /// As in `France`.
    pub name: &'static str,
    /// Grams of CO₂-equivalent per kilowatt hour.
    pub g_per_kwh: f64,
}

const fn row(code: &'static str, short: &'static str, name: &'static str, g_per_kwh: f64) -> Zone {
    Zone { code, short, name, g_per_kwh }
}

/// The zones of the table.
pub const ZONES: [Zone; 17] = [
    row("AUS", "AU", "Australia", 554.0),
    row("BRA", "BR", "Brazil", 106.0),
    row("CAN", "CA", "Canada", 185.0),
    row("CHN", "CN", "China", 558.0),
    row("DEU", "DE", "Germany", 342.0),
    row("EU", "EU", "European Union", 213.0),
    row("FRA", "FR", "France", 44.0),
    row("GBR", "GB", "United Kingdom", 216.0),
    row("IND", "IN", "India", 709.0),
    row("JPN", "JP", "Japan", 484.0),
    row("NLD", "NL", "Netherlands", 253.0),
    row("NOR", "NO", "Norway", 31.0),
    row("POL", "PL", "Poland", 615.0),
    row("SWE", "SE", "Sweden", 36.0),
    row("USA", "US", "United States", 384.0),
    row("ZAF", "ZA", "South Africa", 714.0),
    WORLD,
];

/// The mean of all countries.
pub const WORLD: Zone = row("WORLD", "WORLD", "the world", 473.0);

impl Zone {
    /// The zone with that code of two or three letters, in any case.
    pub fn named(code: &str) -> Option<Self> {
        ZONES
            .into_iter()
            .find(|zone| [zone.code, zone.short].iter().any(|known| known.eq_ignore_ascii_case(code)))
    }
}

/// How much is emitted per energy, and who says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intensity {
    /// Grams of CO₂-equivalent per kilowatt hour.
    pub g_per_kwh: f64,
    /// The code of the zone, if it is that of one.
    pub zone: Option<String>,
    /// The year that it is the mean of, if it is one.
    pub year: Option<u16>,
    /// Who says so.
    pub source: String,
    /// What it counts, as in `production, life cycle, yearly mean`.
    pub scope: Option<String>,
}

impl Intensity {
    /// The yearly mean of a zone.
    pub fn of_zone(zone: Zone) -> Self {
        Self {
            g_per_kwh: zone.g_per_kwh,
            zone: Some(zone.code.to_owned()),
            year: Some(YEAR),
            source: "Ember, Yearly Electricity Data, CC BY 4.0".to_owned(),
            scope: Some("production, life cycle, yearly mean".to_owned()),
        }
    }

    /// A number that the user gives.
    pub fn given(g_per_kwh: f64) -> Self {
        Self { g_per_kwh, zone: None, year: None, source: "given by the user".to_owned(), scope: None }
    }
}

/// What an energy emitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Grams of CO₂-equivalent. The interval is that of the energy alone.
    pub co2e_g: Co2e,
    /// The factor.
    pub intensity: Intensity,
    /// Power usage effectiveness: energy of the building per energy of its computers, at least 1.
    pub pue: f64,
}

/// Grams of CO₂-equivalent with an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Co2e {
    /// Best estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// A kilowatt hour in joules.
pub const KWH_J: f64 = 3.6e6;

impl Footprint {
    /// What that energy emitted in a building of that `pue`.
    pub fn of(energy: Energy, intensity: Intensity, pue: f64) -> Self {
        let grams = |joules: f64| joules / KWH_J * pue * intensity.g_per_kwh;
        let co2e_g = Co2e { value: grams(energy.value), low: grams(energy.low), high: grams(energy.high) };
        Self { co2e_g, intensity, pue }
    }

    /// Grams of CO₂-equivalent for each joule that a computer uses.
    pub fn grams_per_j(&self) -> f64 {
        self.intensity.g_per_kwh * self.pue / KWH_J
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Method;

    #[test]
    fn a_kilowatt_hour_emits_the_intensity() {
        let energy = Energy { value: KWH_J, low: KWH_J / 2.0, high: KWH_J * 2.0, method: Method::Modelled };
        let footprint = Footprint::of(energy, Intensity::given(230.0), 1.5);
        assert_eq!(footprint.co2e_g, Co2e { value: 345.0, low: 172.5, high: 690.0 });
    }

    #[test]
    fn zones_have_two_names_and_no_two_share_one() {
        assert_eq!(Zone::named("fra"), Zone::named("FR"));
        assert_eq!(Zone::named("world"), Some(WORLD));
        assert_eq!(Zone::named("Atlantis"), None);
        for zone in ZONES {
            assert_eq!(Zone::named(zone.code), Some(zone));
            assert_eq!(Zone::named(zone.short), Some(zone));
            assert!(zone.g_per_kwh > 0.0);
        }
    }
}
