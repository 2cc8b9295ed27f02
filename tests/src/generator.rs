//! Generated inventories: any number of outlets with realistic names, types, places and photographs,
//! the same ones for the same seed. Outlet `i` does not depend on how many are asked for.
//!
//! The values are those that the command line takes: `*_args` give whole argument lists.

mod exif;
mod words;

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, Rgb, RgbImage};
use outlet_core::domain::dictionary::{Dictionaries, Lang};
use outlet_core::domain::party::Uscc;
use outlet_core::domain::region::Regions;
use outlet_core::geo::{Datum, GeoPoint};
use outlet_core::time::{Day, Timestamp};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use exif::CameraFacts;
use words::{CAMERAS, DIRECTIONS, KINDS, Kind, PEOPLE, RIVERS};

/// Photographs that an outlet can have: their indices are `outlet * PHOTOS_PER_OUTLET + k`.
pub const PHOTOS_PER_OUTLET: u64 = 8;
/// Streams of the generator beyond this number belong to photographs.
const PHOTO_STREAM: u64 = 1 << 40;

/// A source of outlets.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    photo_size: (u32, u32),
    regions: Regions,
    dictionaries: Dictionaries,
}

/// An outlet with everything that an inspector records.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedOutlet {
    /// Its number, from 0.
    pub index: u64,
    /// County code: the collection.
    pub collection: String,
    /// Township code.
    pub township: String,
    /// Receiving water.
    pub waterbody: String,
    /// `left | right`.
    pub bank: &'static str,
    /// Where it is.
    pub point: GeoPoint,
    /// Degrees east as typed, in `datum`.
    pub lon: f64,
    /// Degrees north as typed.
    pub lat: f64,
    /// Datum of the typed pair; some inspectors read a map.
    pub datum: Datum,
    /// Claimed accuracy in metres.
    pub accuracy_m: f64,
    /// Name by the usual pattern.
    pub name: String,
    /// Code of the current class scheme.
    pub outlet_type: &'static str,
    /// 入河方式.
    pub entry_mode: &'static str,
    /// Proposed class.
    pub classification: &'static str,
    /// The visit.
    pub survey: GeneratedSurvey,
    /// The sample, or the reason why there is none.
    pub sample: GeneratedSample,
    /// The trace.
    pub trace: GeneratedTrace,
    /// At least a near photo and one of the surroundings.
    pub photos: Vec<GeneratedPhoto>,
}

/// A visit.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedSurvey {
    /// Day.
    pub on: Day,
    /// Weather code.
    pub weather: &'static str,
    /// Rain in the last 48 hours.
    pub rain_48h: bool,
    /// 排水特征.
    pub discharge: &'static str,
    /// 是否晴天排水; unanswerable after rain.
    pub dry_weather_discharge: Option<bool>,
    /// 排放规律.
    pub pattern: &'static str,
    /// Appearance.
    pub appearance: &'static str,
    /// 污水类型.
    pub water_source: &'static str,
    /// Surroundings.
    pub surroundings: &'static str,
    /// Problem; `none_found` is an answer.
    pub problem: &'static str,
    /// Surveyors.
    pub team: [&'static str; 2],
}

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedSample {
    /// `quick | lab | none`.
    pub kind: &'static str,
    /// Day.
    pub on: Day,
    /// Report of the laboratory.
    pub reported_on: Option<Day>,
    /// `parameter=value`.
    pub results: Vec<String>,
    /// Two persons.
    pub persons: [&'static str; 2],
    /// Taken in dry weather.
    pub dry_weather: bool,
    /// Why none could be taken.
    pub reason: Option<&'static str>,
}

/// A trace.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedTrace {
    /// `concluded | government_fallback | difficult`.
    pub conclusion: &'static str,
    /// Day of the conclusion.
    pub on: Day,
    /// Way of tracing.
    pub method: &'static str,
    /// Name of the source node.
    pub source: String,
    /// Responsible party; none when difficult.
    pub party: Option<String>,
    /// Its credit code, for enterprises: invented, with a check character that fits.
    pub uscc: Option<Uscc>,
    /// Designating document, for the government as fallback.
    pub document: Option<String>,
}

/// A photograph to be taken from [`Generator::photo_bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedPhoto {
    /// Its number among all photographs of the seed.
    pub index: u64,
    /// Slot.
    pub slot: &'static str,
    /// Name for the file.
    pub file_name: String,
}

impl Generator {
    /// Outlets of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (regions, dictionaries) = (Regions::embedded(), Dictionaries::embedded());
        Self { seed, photo_size: (320, 240), regions, dictionaries }
    }

    /// Photographs of another size than 320 by 240.
    #[must_use]
    pub fn photo_size(mut self, width: u32, height: u32) -> Self {
        self.photo_size = (width, height);
        self
    }

    /// The first `n` outlets.
    pub fn outlets(&self, n: u64) -> impl Iterator<Item = GeneratedOutlet> + '_ {
        (0..n).map(|index| self.outlet(index))
    }

    fn dice(&self, stream: u64) -> ChaCha8Rng {
        let mut dice = ChaCha8Rng::seed_from_u64(self.seed);
        dice.set_stream(stream);
        dice
    }

    /// One outlet.
    #[must_use]
    pub fn outlet(&self, index: u64) -> GeneratedOutlet {
        let dice = &mut self.dice(index);
        let kind = weighted(dice);
        let county = pick(dice, &self.regions.counties);
        let seat = GeoPoint::new(county.seat_lon, county.seat_lat).expect("seats lie in China");
        let point = rounded(seat.moved_m(dice.random_range(-5000.0..5000.0), dice.random_range(-5000.0..5000.0)));
        // Every twentieth pair was read from a GCJ-02 map, and says so.
        let datum = if dice.random_bool(0.05) { Datum::Gcj02 } else { Datum::Wgs84 };
        let (lon, lat) = point.shown_in(datum);
        let here: Vec<_> = self.regions.townships.iter().filter(|township| township.county == county.code).collect();
        let township = *pick(dice, &here);
        let landmark = word(dice, kind.landmarks);
        let label = self.dictionaries.label("outlet_type_hj1312_2023", kind.code, Lang::Zh);
        let name = name(dice, &[&self.regions.city.name, &county.name, &township.name, landmark], label);
        let rivers =
            RIVERS.iter().find(|(code, _)| *code == county.code).map_or(&["巴河"][..], |(_, rivers)| *rivers);
        let survey = survey(dice, kind);
        let sample = sample(dice, kind, &survey);
        let trace = trace(dice, kind, &county.name, landmark, survey.on);
        let classification = if dice.random_bool(0.7) { kind.classes[0] } else { word(dice, kind.classes) };
        GeneratedOutlet {
            index,
            collection: county.code.clone(),
            township: township.code.clone(),
            waterbody: word(dice, rivers).to_owned(),
            bank: word(dice, &["left", "right"]),
            point,
            lon,
            lat,
            datum,
            accuracy_m: f64::from(dice.random_range(20u32..120)) / 10.0,
            name,
            outlet_type: kind.code,
            entry_mode: word(dice, &["pipe", "pipe", "open_channel", "box_culvert", "sluice"]),
            classification,
            survey,
            sample,
            trace,
            photos: photos(dice, index),
        }
    }

    /// The bytes of a photograph: a JPEG with the EXIF of a camera that stood near the outlet on the
    /// day of the survey. A few have none, as messengers strip it.
    ///
    /// # Panics
    /// Never: encoding into memory does not fail.
    #[must_use]
    pub fn photo_bytes(&self, index: u64) -> Vec<u8> {
        let outlet = self.outlet(index / PHOTOS_PER_OUTLET);
        let dice = &mut self.dice(PHOTO_STREAM + index);
        let jpeg = textured(dice, self.photo_size);
        if dice.random_bool(0.04) { jpeg } else { exif::with_block(&jpeg, &exif::block(&camera(dice, &outlet))) }
    }
}

/// One photograph of a given place and time, with the EXIF of a phone; unlike that of any other seed.
#[must_use]
pub fn picture(lon: f64, lat: f64, taken_at: Timestamp, seed: u64) -> Vec<u8> {
    let dice = &mut ChaCha8Rng::seed_from_u64(seed);
    let local = taken_at.plus_millis(8 * 3_600_000);
    let seconds = local.millis().div_euclid(1000).rem_euclid(86_400);
    let (year, month, day) = taken_at.day_in_shanghai().parts();
    let facts = CameraFacts {
        time: format!(
            "{year:04}:{month:02}:{day:02} {:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ),
        offset: Some("+08:00".to_owned()),
        position: Some((lon, lat)),
        accuracy_m: 5.0,
        direction_deg: 90.0,
        orientation: 1,
        make: "Generated",
        model: "Phone",
    };
    exif::with_block(&textured(dice, (320, 240)), &exif::block(&facts))
}

/// A JPEG of sky and water that compresses to bytes of its own.
fn textured(dice: &mut ChaCha8Rng, (width, height): (u32, u32)) -> Vec<u8> {
    let (sky, water): ([u8; 3], [u8; 3]) = (dice.random(), dice.random());
    let grain: u32 = dice.random();
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let base = if y < height / 3 { sky } else { water };
        // Cheap texture, so that no two pictures compress to the same bytes.
        let noise = (x.wrapping_mul(31) ^ y.wrapping_mul(17) ^ grain).wrapping_mul(2_654_435_761) >> 28;
        Rgb(base.map(|channel| channel.saturating_add(u8::try_from(noise).unwrap_or(0))))
    });
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, 75)
        .encode(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .expect("memory takes any picture");
    jpeg.into_inner()
}

fn pick<'a, T>(dice: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    from.choose(dice).expect("no table is empty")
}

fn word(dice: &mut ChaCha8Rng, from: &[&'static str]) -> &'static str {
    from.choose(dice).copied().expect("no table is empty")
}

fn weighted(dice: &mut ChaCha8Rng) -> &'static Kind {
    KINDS.choose_weighted(dice, |kind| kind.weight).expect("the weights are positive")
}

/// Six decimals, as devices show them.
fn rounded(point: GeoPoint) -> GeoPoint {
    let six = |degrees: f64| (degrees * 1e6).round() / 1e6;
    GeoPoint::new(six(point.lon()), six(point.lat())).expect("rounding stays in China")
}

/// `[市][县][乡镇][地标][方位][距离][序号#][类型]`, the middle parts as they come.
fn name(dice: &mut ChaCha8Rng, place: &[&str], label: &str) -> String {
    let mut name = place.concat();
    if dice.random_bool(0.6) {
        name.push_str(word(dice, &DIRECTIONS));
        name.push_str(&format!("{}米", dice.random_range(2..40) * 10));
    }
    if dice.random_bool(0.3) {
        name.push_str(&format!("{}#", dice.random_range(1..9)));
    }
    name + label
}

fn survey(dice: &mut ChaCha8Rng, kind: &Kind) -> GeneratedSurvey {
    let start = Day::new(2021, 3, 1).expect("a day of the calendar");
    let days = if dice.random_bool(0.82) { dice.random_range(0..300) } else { dice.random_range(300..700) };
    let rain_48h = dice.random_bool(0.25);
    let storm = kind.code.ends_with("storm");
    let discharge = if storm && !rain_48h {
        word(dice, &["dry", "dry", "stagnant", "flowing"])
    } else {
        word(dice, &["flowing", "flowing", "flowing", "stagnant", "dry", "uncertain"])
    };
    let problem = if dice.random_bool(0.5) {
        "none_found"
    } else {
        word(dice, &["sewage_not_collected", "rain_sewage_not_separated", "silted", "damaged", "sign_missing"])
    };
    let (first, second) = (dice.random_range(0..4), dice.random_range(1..4));
    GeneratedSurvey {
        on: start.plus_days(days),
        weather: if rain_48h { "light_rain" } else { word(dice, &["sunny", "cloudy", "overcast"]) },
        rain_48h,
        discharge,
        dry_weather_discharge: (!rain_48h && discharge != "uncertain").then_some(discharge == "flowing"),
        pattern: word(dice, &["continuous", "intermittent", "intermittent"]),
        appearance: word(dice, &["clear", "clear", "turbid", "foam", "black_smelly", "yellow_green"]),
        water_source: kind.water,
        surroundings: word(dice, &["residential", "village", "paddy", "road_bridge", "industrial_area"]),
        problem,
        team: [PEOPLE[first], PEOPLE[(first + second) % 4]],
    }
}

fn sample(dice: &mut ChaCha8Rng, kind: &Kind, survey: &GeneratedSurvey) -> GeneratedSample {
    let persons = [PEOPLE[4 + dice.random_range(0..2)], PEOPLE[6 + dice.random_range(0..2)]];
    let dry_weather = !survey.rain_48h;
    if survey.discharge == "dry" {
        let (reason, results) = (Some("no_water"), Vec::new());
        return GeneratedSample {
            kind: "none",
            on: survey.on,
            reported_on: None,
            results,
            persons,
            dry_weather,
            reason,
        };
    }
    let mut result = |parameter: &str, from: f64, to: f64, digits: usize| {
        format!("{parameter}={:.digits$}", dice.random_range(from..to))
    };
    let mut results = vec![
        result("ph", 6.5, 8.8, 1),
        result("cod", 8.0, 160.0, 0),
        result("nh3_n", 0.05, 25.0, 2),
        result("tp", 0.02, 3.0, 2),
    ];
    results.push(result("flow", kind.flow.0, kind.flow.1, 0) + ":m3/d");
    let lab = dice.random_bool(0.35);
    let reported_on = lab.then(|| survey.on.plus_days(dice.random_range(3..15)));
    let kind = if lab { "lab" } else { "quick" };
    GeneratedSample { kind, on: survey.on, reported_on, results, persons, dry_weather, reason: None }
}

fn trace(dice: &mut ChaCha8Rng, kind: &Kind, county: &str, landmark: &str, surveyed: Day) -> GeneratedTrace {
    let on = surveyed.plus_days(dice.random_range(0..45));
    let enterprise = kind.code.starts_with("industrial") || kind.code.contains("wwtp") || kind.code.contains("culture");
    let enterprise = enterprise || kind.code.starts_with("livestock");
    let method = word(dice, &["documents", "on_foot", "technical"]);
    let source = landmark.to_owned();
    if dice.random_bool(0.06) {
        let conclusion = "difficult";
        return GeneratedTrace { conclusion, on, method, source, party: None, uscc: None, document: None };
    }
    if enterprise {
        let party = Some(format!("{county}{landmark}（生成）"));
        let uscc = Some(credit_code(dice));
        return GeneratedTrace { conclusion: "concluded", on, method, source, party, uscc, document: None };
    }
    let (party, document) =
        (Some(format!("{county}人民政府")), Some(format!("生成函〔2021〕{}号", dice.random_range(1..300))));
    GeneratedTrace { conclusion: "government_fallback", on, method, source, party, uscc: None, document }
}

/// An invented credit code: only one of 31 last characters fits the others.
fn credit_code(dice: &mut ChaCha8Rng) -> Uscc {
    const CHARACTERS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let body: String = (0..9).map(|_| char::from(*pick(dice, CHARACTERS))).collect();
    let codes = CHARACTERS.iter().map(|last| format!("91511900{body}{}", char::from(*last)).parse());
    codes.flatten().next().expect("one check character fits")
}

fn photos(dice: &mut ChaCha8Rng, outlet: u64) -> Vec<GeneratedPhoto> {
    let mut slots = vec!["near", "surroundings"];
    for (slot, likely) in [("far", 0.4), ("sampling", 0.3), ("party", 0.1)] {
        if dice.random_bool(likely) {
            slots.push(slot);
        }
    }
    (outlet * PHOTOS_PER_OUTLET..)
        .zip(slots)
        .map(|(index, slot)| GeneratedPhoto { index, slot, file_name: format!("IMG_{index:07}.jpg") })
        .collect()
}

fn camera(dice: &mut ChaCha8Rng, outlet: &GeneratedOutlet) -> CameraFacts {
    let (make, model) = *pick(dice, &CAMERAS);
    let (year, month, day) = outlet.survey.on.parts();
    let stood = outlet.point.moved_m(dice.random_range(-30.0..30.0), dice.random_range(-30.0..30.0));
    let clock = (dice.random_range(8..18), dice.random_range(0..60), dice.random_range(0..60));
    CameraFacts {
        time: format!("{year:04}:{month:02}:{day:02} {:02}:{:02}:{:02}", clock.0, clock.1, clock.2),
        offset: dice.random_bool(0.7).then(|| "+08:00".to_owned()),
        position: dice.random_bool(0.93).then_some((stood.lon(), stood.lat())),
        accuracy_m: f64::from(dice.random_range(25u32..150)) / 10.0,
        direction_deg: f64::from(dice.random_range(0u32..3600)) / 10.0,
        orientation: if dice.random_bool(0.8) { 1 } else { 6 },
        make,
        model,
    }
}

/// Builds an argument list.
fn list(parts: &[(&str, &str)]) -> Vec<String> {
    parts.iter().flat_map(|(option, value)| [(*option).to_owned(), (*value).to_owned()]).collect()
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

impl GeneratedOutlet {
    /// Arguments of `outlet add`, without the program's name.
    #[must_use]
    pub fn add_args(&self) -> Vec<String> {
        let (lon, lat, accuracy) =
            (format!("{:.6}", self.lon), format!("{:.6}", self.lat), self.accuracy_m.to_string());
        let mut args = vec!["add".to_owned()];
        args.extend(list(&[
            ("--lon", &lon),
            ("--lat", &lat),
            ("--datum", self.datum.code()),
            ("--accuracy", &accuracy),
            ("--collection", &self.collection),
            ("--name", &self.name),
            ("--township", &self.township),
            ("--waterbody", &self.waterbody),
            ("--bank", self.bank),
            ("--type", self.outlet_type),
            ("--entry-mode", self.entry_mode),
        ]));
        args
    }

    /// Arguments of `outlet classify`.
    #[must_use]
    pub fn classify_args(&self, id: &str) -> Vec<String> {
        ["classify", id, self.classification].map(str::to_owned).to_vec()
    }

    /// Arguments of `outlet survey`.
    #[must_use]
    pub fn survey_args(&self, id: &str) -> Vec<String> {
        let survey = &self.survey;
        let on = survey.on.to_string();
        let mut args = vec!["survey".to_owned(), id.to_owned()];
        args.extend(list(&[
            ("--on", &on),
            ("--outcome", "complete"),
            ("--level", "2"),
            ("--task-source", "campaign"),
            ("--weather", survey.weather),
            ("--rain-48h", yes_no(survey.rain_48h)),
            ("--discharge", survey.discharge),
            ("--pattern", survey.pattern),
            ("--appearance", survey.appearance),
            ("--water-source", survey.water_source),
            ("--surroundings", survey.surroundings),
            ("--problem", survey.problem),
            ("--team", survey.team[0]),
            ("--team", survey.team[1]),
        ]));
        args.extend(
            survey
                .dry_weather_discharge
                .map(|dry| list(&[("--dry-weather-discharge", yes_no(dry))]))
                .unwrap_or_default(),
        );
        args
    }

    /// Arguments of `outlet photo` for a file that holds [`Generator::photo_bytes`].
    #[must_use]
    pub fn photo_args(&self, id: &str, photo: &GeneratedPhoto, file: &str) -> Vec<String> {
        ["photo", id, file, "--slot", photo.slot].map(str::to_owned).to_vec()
    }

    /// Arguments of `outlet sample`.
    #[must_use]
    pub fn sample_args(&self, id: &str) -> Vec<String> {
        let sample = &self.sample;
        let mut args = ["sample", id, sample.kind].map(str::to_owned).to_vec();
        args.extend(list(&[("--on", &sample.on.to_string()), ("--dry-weather", yes_no(sample.dry_weather))]));
        if let Some(reason) = sample.reason {
            args.extend(list(&[("--reason", reason)]));
            return args;
        }
        args.extend(list(&[("--person", sample.persons[0]), ("--person", sample.persons[1])]));
        args.extend(sample.results.iter().flat_map(|result| list(&[("--result", result)])));
        if let Some(day) = sample.reported_on {
            let number = format!("SY-{:05}", self.index);
            args.extend(list(&[
                ("--reported-on", &day.to_string()),
                ("--sample-number", &number),
                ("--laboratory", "生成监测站"),
            ]));
        }
        args
    }

    /// Arguments of `outlet trace`: the outlet, a pipe, and the source.
    #[must_use]
    pub fn trace_args(&self, id: &str) -> Vec<String> {
        let trace = &self.trace;
        let mut args = ["trace", id, trace.conclusion].map(str::to_owned).to_vec();
        let node = format!("2:source:{}", trace.source);
        args.extend(list(&[
            ("--on", &trace.on.to_string()),
            ("--method", trace.method),
            ("--node", "1:outlet"),
            ("--node", &node),
            ("--pipe", "2>1"),
            ("--source", &trace.source),
        ]));
        match &trace.party {
            Some(party) => args.extend(list(&[("--party-name", party), ("--department", "生态环境局")])),
            None => args.extend(list(&[("--difficult-note", "管网图缺失")])),
        }
        args.extend(trace.uscc.iter().flat_map(|code| list(&[("--party-uscc", code.as_str())])));
        args.extend(trace.document.iter().flat_map(|document| list(&[("--document", document)])));
        args
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use outlet_core::domain::lint::{NameContext, lint_name};
    use outlet_core::media::{Context, MediaKind, inspect, preview, warnings};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inventory_and_bytes() {
        let (one, two) = (Generator::new(7), Generator::new(7));
        let outlets: Vec<_> = one.outlets(50).collect();
        assert_eq!(outlets, two.outlets(50).collect::<Vec<_>>());
        // Neither the number asked for nor the order matters.
        assert_eq!(outlets[31], two.outlet(31));
        for photo in &outlets[3].photos {
            assert_eq!(one.photo_bytes(photo.index), two.photo_bytes(photo.index));
        }
        assert_ne!(outlets, Generator::new(8).outlets(50).collect::<Vec<_>>());
        assert_ne!(one.photo_bytes(0), one.photo_bytes(1));
    }

    #[test]
    fn every_value_is_in_its_dictionary_and_every_name_passes_the_lint() {
        let (generator, all, regions) = (Generator::new(1), Dictionaries::embedded(), Regions::embedded());
        for outlet in generator.outlets(150) {
            let survey = &outlet.survey;
            for (dictionary, code) in [
                ("outlet_type_hj1312_2023", outlet.outlet_type),
                ("entry_mode", outlet.entry_mode),
                ("bank", outlet.bank),
                ("classification", outlet.classification),
                ("weather", survey.weather),
                ("discharge_state", survey.discharge),
                ("discharge_pattern", survey.pattern),
                ("appearance", survey.appearance),
                ("water_source", survey.water_source),
                ("surroundings", survey.surroundings),
                ("problem", survey.problem),
                ("sample_kind", outlet.sample.kind),
                ("trace_conclusion", outlet.trace.conclusion),
                ("trace_method", outlet.trace.method),
            ] {
                assert_eq!(all.lookup(dictionary, code).unwrap().code, code);
            }
            for photo in &outlet.photos {
                assert_eq!(all.lookup("photo_slot", photo.slot).unwrap().code, photo.slot);
            }
            let township = regions.township(&outlet.township, None).unwrap();
            assert_eq!(township.county, outlet.collection);
            let county = regions.county(&outlet.collection).unwrap();
            let context = NameContext {
                city: Some("巴中市"),
                county: Some(&county.name),
                township: Some(&township.name),
                type_label: Some(all.label("outlet_type_hj1312_2023", outlet.outlet_type, Lang::Zh)),
                ..NameContext::default()
            };
            assert_eq!(lint_name(&outlet.name, &context), [], "{}", outlet.name);
            assert!(outlet.point.is_near_bazhong());
            assert_eq!(outlet.trace.party.is_none(), outlet.trace.conclusion == "difficult");
        }
    }

    #[test]
    fn an_inventory_has_the_variety_of_a_real_one() {
        let outlets: Vec<_> = Generator::new(3).outlets(600).collect();
        let count = |value: fn(&GeneratedOutlet) -> &str| outlets.iter().map(value).collect::<BTreeSet<_>>().len();
        assert_eq!(count(|outlet| outlet.outlet_type), KINDS.len());
        assert_eq!(count(|outlet| &outlet.collection), 5);
        assert_eq!(count(|outlet| outlet.classification), 5);
        assert_eq!(count(|outlet| outlet.sample.kind), 3);
        assert!(count(|outlet| &outlet.name) > 560);
        assert!(outlets.iter().any(|outlet| outlet.datum == Datum::Gcj02));
    }

    #[test]
    fn the_exif_of_photographs_is_read_back() {
        let generator = Generator::new(5);
        let (mut bare, mut placed, mut assumed) = (0, 0, 0);
        for outlet in generator.outlets(40) {
            for photo in &outlet.photos {
                let bytes = generator.photo_bytes(photo.index);
                let seen = inspect(&bytes);
                assert_eq!((seen.kind, seen.width, seen.truncated), (MediaKind::Jpeg, Some(320), false));
                assert!(!seen.exif_damaged && preview(&bytes, &seen).preview.is_some());
                let Some(exif) = &seen.exif else {
                    bare += 1;
                    continue;
                };
                assert_eq!(exif.taken_at.unwrap().day_in_shanghai(), outlet.survey.on);
                assert!(exif.camera.as_deref().is_some_and(|camera| !camera.is_empty()));
                assumed += usize::from(!exif.offset_in_file);
                if let Some((lon, lat)) = exif.position {
                    placed += 1;
                    assert!(outlet.point.distance_to_m(lon, lat) < 45.0);
                    assert!(exif.accuracy_m.is_some() && exif.direction_deg.is_some());
                }
                let context =
                    Context { outlet: Some(outlet.point), survey_day: Some(outlet.survey.on), ..Context::default() };
                let codes: Vec<_> = warnings(&seen, &context).iter().map(|warning| warning.code()).collect();
                assert!(codes.iter().all(|code| ["offset_assumed", "position_missing"].contains(code)), "{codes:?}");
            }
        }
        assert!(bare > 0 && placed > 50 && assumed > 5, "{bare} {placed} {assumed}");
    }

    #[test]
    fn argument_lists_hold_no_blank_value() {
        for outlet in Generator::new(2).outlets(100) {
            let lists = [
                outlet.add_args(),
                outlet.classify_args("ID"),
                outlet.survey_args("ID"),
                outlet.photo_args("ID", &outlet.photos[0], "a.jpg"),
                outlet.sample_args("ID"),
                outlet.trace_args("ID"),
            ];
            for args in lists {
                assert!(args.len() >= 3 && args.iter().all(|arg| !arg.trim().is_empty()), "{args:?}");
            }
        }
    }
}
