//! Signed documents for benchmarks: what devices would send, made straight through `core` so that
//! a run does not wait for tens of thousands of `fdatasync`s that it is not measuring.

use outlet_core::doc::{Document, to_json};
use outlet_core::domain::Answer;
use outlet_core::domain::field::{Fact, FieldEntry, Location, Photo, Preview, Survey, fact};
use outlet_core::identity::{SecretKey, SignedRun};
use outlet_core::ids::{Actor, BlobHash, Collection, DocKey, DocKind, OutletId};
use outlet_core::time::{Day, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Changes per outlet beside the genesis constant: add, classify, two photos, survey.
pub const CHANGES_PER_OUTLET: usize = 5;

/// A writer of field records on one device.
pub struct Writer {
    key: SecretKey,
    actor: Actor,
    dice: ChaCha8Rng,
    now: Timestamp,
    count: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} outlets)", self.count)
    }
}

impl Writer {
    /// Writes with this key and incarnation; the seed decides every value.
    #[must_use]
    pub fn new(key: SecretKey, incarnation: [u8; 4], seed: u64) -> Self {
        let actor = Actor::new(key.public(), incarnation);
        let now = Timestamp::from_millis(1_622_505_600_000);
        Self { key, actor, dice: ChaCha8Rng::seed_from_u64(seed), now, count: 0 }
    }

    /// A new outlet in the collection: its key, and the entries of each act.
    pub fn outlet(&mut self, collection: Collection) -> (DocKey, Vec<Vec<String>>) {
        self.now = self.now.plus_millis(60_000);
        self.count += 1;
        let id = OutletId::new(self.now, self.dice.random());
        let acts =
            vec![self.added(collection), self.classified(), self.photo("near"), self.photo("far"), self.survey()];
        (DocKey { kind: DocKind::Field, collection, id }, acts)
    }

    /// The same as the run a device would push: one signature.
    ///
    /// # Panics
    /// Never: the entries are well-formed.
    pub fn run(&mut self, collection: Collection) -> SignedRun {
        let (key, acts) = self.outlet(collection);
        let mut document = Document::new(DocKind::Field);
        let mut write =
            |texts: &Vec<String>| document.write(&self.actor, self.now, texts, &[]).expect("a well-formed act").raw;
        let changes = acts.iter().map(&mut write).collect();
        SignedRun::sign(&self.key, key, changes).expect("there are changes")
    }

    fn fact(&self, field: &str, value: Value) -> String {
        let fact = Fact {
            field: field.to_owned(),
            value,
            basis: None,
            reason: None,
            on: None,
            replaces: Vec::new(),
            at: self.now,
        };
        text(&FieldEntry::Fact(fact))
    }

    fn added(&mut self, collection: Collection) -> Vec<String> {
        let (lon, lat) = (106.4 + self.dice.random::<f64>() * 1.2, 31.3 + self.dice.random::<f64>() * 1.3);
        let location = Location {
            lon,
            lat,
            raw_lon: lon,
            raw_lat: lat,
            datum: "wgs84".into(),
            accuracy_m: Some(5.0),
            source: Some("gps".into()),
            fixed_at: Some(self.now),
        };
        let number = self.count;
        vec![
            self.fact(fact::STATE, json!("outlet")),
            self.fact(fact::LOCATION, serde_json::to_value(location).expect("a location is JSON")),
            self.fact(fact::NAME, json!(format!("巴中市巴州区大茅坪镇河坝村东南{}米城镇雨洪排口", number % 900))),
            self.fact(fact::TEMPORARY_NUMBER, json!(format!("T{number:06}"))),
            self.fact(fact::COUNTY, json!(collection.to_string())),
            self.fact(fact::WATERBODY, json!("巴河")),
            self.fact(fact::TOWNSHIP, json!("大茅坪镇")),
            self.fact(fact::BANK, json!(if number.is_multiple_of(2) { "left" } else { "right" })),
            self.fact(fact::ENTRY_MODE, json!("pipe")),
        ]
    }

    fn classified(&mut self) -> Vec<String> {
        let class = ["ban", "merge", "regulate", "none_needed"][self.dice.random_range(0..4)];
        vec![self.fact(fact::CLASSIFICATION, json!(class))]
    }

    fn photo(&mut self, slot: &str) -> Vec<String> {
        let photo = Photo {
            sha256: BlobHash(self.dice.random()),
            bytes: self.dice.random_range(1_000_000..4_000_000),
            mime: "image/jpeg".into(),
            slot: slot.into(),
            at: self.now,
            preview: Some(Preview { sha256: BlobHash(self.dice.random()), bytes: 40_000 }),
            taken_at: Some(self.now),
            offset_in_file: true,
            lon: Some(106.7),
            lat: Some(31.8),
            accuracy_m: Some(6.0),
            direction_deg: Some(120.0),
            orientation: Some(1),
            camera: Some("HUAWEI P40".into()),
            width: Some(4000),
            height: Some(3000),
            warnings: Vec::new(),
            file_name: Some(format!("IMG_{}.jpg", self.count)),
            caption: None,
        };
        vec![text(&FieldEntry::Photo(Box::new(photo)))]
    }

    fn survey(&mut self) -> Vec<String> {
        let survey = Survey {
            on: Day::new(2021, 6, 1).map(|day| day.plus_days(self.dice.random_range(0..200))),
            at: self.now,
            outcome: Some("complete".into()),
            level: Some(2),
            team: vec!["甲".into(), "乙".into()],
            weather: Some("sunny".into()),
            rain_48h: Answer::Value(false),
            discharge_state: Answer::Value("flowing".into()),
            dry_weather_discharge: Answer::Value(true),
            pattern: Answer::Value("intermittent".into()),
            smell: Answer::CannotDetermine,
            problems: vec!["none_found".into()],
            ..Survey::default()
        };
        vec![text(&FieldEntry::Survey(Box::new(survey)))]
    }
}

fn text(entry: &FieldEntry) -> String {
    to_json(entry).expect("an entry is JSON")
}
