//! A case as the lines that people type, round by round.

use std::fmt::Write as _;

use outlet_core::time::{Day, Timestamp};

use super::cases::{Case, Class, Counted, Scale, Stage};
use super::{Step, Who};

/// A photograph to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shot {
    /// Degrees east.
    pub lon: f64,
    /// Degrees north.
    pub lat: f64,
    /// Exposure.
    pub taken_at: Timestamp,
    /// Makes it unlike any other.
    pub seed: u64,
}

struct County {
    code: &'static str,
    name: &'static str,
    lon: f64,
    lat: f64,
    townships: [&'static str; 3],
    river: &'static str,
}

/// Seats, townships and rivers of the five counties, as in `fixtures/`.
const COUNTIES: [County; 5] = [
    County {
        code: "511902",
        name: "巴州区",
        lon: 106.769,
        lat: 31.851,
        townships: ["东城街道", "清江镇", "化成镇"],
        river: "巴河",
    },
    County {
        code: "511903",
        name: "恩阳区",
        lon: 106.654,
        lat: 31.787,
        townships: ["登科街道", "明阳镇", "玉山镇"],
        river: "恩阳河",
    },
    County {
        code: "511921",
        name: "通江县",
        lon: 107.245,
        lat: 31.912,
        townships: ["诺江镇", "铁佛镇", "涪阳镇"],
        river: "通江河",
    },
    County {
        code: "511922",
        name: "南江县",
        lon: 106.829,
        lat: 32.347,
        townships: ["集州街道", "正直镇", "下两镇"],
        river: "南江河",
    },
    County {
        code: "511923",
        name: "平昌县",
        lon: 107.104,
        lat: 31.561,
        townships: ["同州街道", "驷马镇", "白衣镇"],
        river: "巴河",
    },
];

/// Type code, its label in names, way into the river.
const TYPES: [(&str, &str, &str); 6] = [
    ("urban_storm", "城镇雨洪排口", "pipe"),
    ("industrial_enterprise", "工业企业排污口", "pipe"),
    ("rural_domestic_scattered", "农村生活污水散排口", "open_channel"),
    ("urban_domestic_scattered", "城镇生活污水散排口", "box_culvert"),
    ("urban_wwtp", "城镇污水处理厂排污口", "pipe"),
    ("livestock_small", "规模以下畜禽养殖排污口", "open_channel"),
];

/// Scripts under way, in the order in which they will be run.
#[derive(Debug)]
pub(super) struct Rounds {
    steps: Vec<Step>,
    shots: Vec<(String, Shot)>,
}

const FIELD: usize = 0;
const REVIEW: usize = 3;
const CLASS: usize = 4;
const PLAN: usize = 5;
const APPROVE_PLAN: usize = 6;
const WORKS: usize = 7;
const CHECK: usize = 10;
const FIRST_CHECK: usize = 11;
const KNOWN: usize = 12;
const ACCEPT: usize = 13;

impl Default for Rounds {
    fn default() -> Self {
        let step = |who, title| Step { who, title, lines: Vec::new() };
        let inspector = |index| step(Who::Inspector(index), "排查、监测、溯源");
        let works = |index| step(Who::Inspector(index), "整治进展、复查、立牌");
        let steps = vec![
            inspector(0),
            inspector(1),
            inspector(2),
            step(Who::County, "审核、初步意见"),
            step(Who::City, "定类、延期"),
            step(Who::County, "一口一策方案"),
            step(Who::City, "方案批准"),
            works(0),
            works(1),
            works(2),
            step(Who::County, "申请销号、命名立牌"),
            step(Who::Checker, "县级初验"),
            step(Who::Admin, "历史资料的文件依据"),
            step(Who::City, "验收销号、编码"),
        ];
        Self { steps, shots: Vec::new() }
    }
}

/// Three inspectors share five counties; county 0 is walked by two of them.
pub(super) fn inspector_of(case: &Case) -> usize {
    match (case.county, case.index % 2) {
        (0, 0) | (1, _) => 0,
        (2 | 3, _) => 1,
        _ => 2,
    }
}

impl Rounds {
    /// Adds one case to every round it takes part in.
    pub(super) fn write(&mut self, case: &Case) {
        self.field(case);
        if case.counted == Counted::Suspect {
            return;
        }
        self.review(case);
        if case.counted != Counted::Outlet {
            return;
        }
        self.identity(case);
        if case.stage >= Stage::Decided {
            self.class(case);
        }
        if case.stage >= Stage::Planned && case.class != Class::NoneNeeded {
            self.plan(case);
        }
        if case.stage >= Stage::Reported {
            self.works(case);
        }
    }

    /// The scripts and the photographs they name.
    pub(super) fn finish(self) -> (Vec<Step>, Vec<(String, Shot)>) {
        (self.steps, self.shots)
    }

    fn say(&mut self, round: usize, line: String) {
        self.steps[round].lines.push(line);
    }

    fn say_field(&mut self, first: usize, case: &Case, line: String) {
        self.say(first + inspector_of(case), line);
    }

    fn photo(&mut self, first: usize, case: &Case, slot: &str, on: Day) {
        let name = format!("photos/{}-{slot}.jpg", case.number);
        let (lon, lat) = place(case);
        let seed = case.index as u64 * 16 + slot.len() as u64;
        let noon = Timestamp::from_millis(on.epoch_days() * 86_400_000 + 4 * 3_600_000);
        self.shots.push((name.clone(), Shot { lon, lat, taken_at: noon, seed }));
        self.say_field(first, case, format!("photo {} {name} --slot {slot}", case.number));
    }

    fn field(&mut self, case: &Case) {
        self.say_field(FIELD, case, add(case));
        if case.counted == Counted::Suspect {
            return;
        }
        self.say_field(FIELD, case, survey(case));
        if matches!(case.counted, Counted::NotReached | Counted::NeedsLevel3) {
            self.photo(FIELD, case, "far", case.surveyed);
            self.say_field(FIELD, case, format!("submit {} --on {}", case.number, case.surveyed));
            return;
        }
        self.photo(FIELD, case, "near", case.surveyed);
        self.photo(FIELD, case, "far", case.surveyed);
        if case.counted == Counted::NotAnOutlet {
            let line = format!("not-an-outlet {} --reason bridge_road_drain --on {}", case.number, case.surveyed);
            self.say_field(FIELD, case, line);
        }
        for line in [sample(case), trace(case), proposal(case)].into_iter().flatten() {
            self.say_field(FIELD, case, line);
        }
        self.say_field(FIELD, case, format!("submit {} --on {}", case.number, case.surveyed.plus_days(31)));
    }

    fn review(&mut self, case: &Case) {
        let number = &case.number;
        let on = case.surveyed.plus_days(40);
        match case.counted {
            Counted::Outlet => self.say(REVIEW, format!("case review {number} approve --on {on}")),
            Counted::NotReached | Counted::Suspect | Counted::PendingReview => {}
            Counted::NeedsLevel3 => {
                self.say(REVIEW, format!("case settle {number} state needs_level_3 --on {on} --note 汛期水位高"));
            }
            Counted::NotAnOutlet => {
                self.say(
                    REVIEW,
                    format!("case settle {number} state not_an_outlet --reason bridge_road_drain --on {on}"),
                );
            }
            Counted::Returned => {
                let line = format!("case review {number} return --section location --reason location_offset --on {on}");
                self.say(REVIEW, line);
            }
            Counted::Duplicate(of) => {
                self.say(REVIEW, format!("case review {number} approve --on {on}"));
                self.say(REVIEW, format!("case duplicate {number} --of {of} --on {on}"));
            }
        }
    }

    fn class(&mut self, case: &Case) {
        let (number, on) = (&case.number, case.surveyed.plus_days(60));
        let class = class_word(case.class);
        let document = format!("巴环函〔{}〕{}号", year(on), case.index + 1);
        self.say(REVIEW, format!("case decide {number} {class} --endorse --on {}", on.plus_days(-10)));
        let mut line = format!("case decide {number} {class} --on {on} --document {document} --document-dated {on}");
        if case.class == Class::Ban {
            let government = format!("巴府〔{}〕{}号", year(on), case.index + 1);
            let _ =
                write!(line, " --government-document {government} --government-document-dated {on} --basis 长江保护法");
        }
        self.say(CLASS, line);
        if let Some(until) = case.extended {
            let line = format!(
                "case extend {number} --until {until} --milestone M4 --authority 巴中市人民政府 --on 2023-11-20 --document 巴府函〔2023〕{}号 --reason 汛期无法施工",
                case.index + 1
            );
            self.say(CLASS, line);
        }
    }

    fn plan(&mut self, case: &Case) {
        let (number, on) = (&case.number, case.surveyed.plus_days(80));
        let measures = measures(case).join(" --measure ");
        let draft = format!(
            "case plan {number} --measure {measures} --item archive --criteria 按验收事项逐项核查 --department 市生态环境局 --due {} --on {on}",
            if case.scale == Scale::Above { "2022-12-31" } else { "2023-12-31" }
        );
        self.say(PLAN, draft);
        let approved = on.plus_days(15);
        self.say(
            APPROVE_PLAN,
            format!(
                "case plan {number} --approve --on {approved} --document 巴环整〔{}〕{}号",
                year(approved),
                case.index + 1
            ),
        );
        self.say_field(WORKS, case, format!("progress {number} 施工单位进场 --on {}", approved.plus_days(20)));
    }

    fn works(&mut self, case: &Case) {
        let number = &case.number;
        let Some(completed) = case.completed else { return };
        let lacks = |item: &str| case.lacks == Some(item);
        if case.class != Class::NoneNeeded && !lacks("after") {
            self.photo(WORKS, case, "after", completed);
        }
        let rechecked = completed.plus_days(20);
        if matches!(case.class, Class::Ban | Class::Merge(_)) && !lacks("recheck") {
            self.say_field(WORKS, case, format!("recheck {number} --on {rechecked} --discharge no --dry-weather yes"));
        }
        if case.amended {
            self.say_field(WORKS, case, format!("edit {number} --size DN600 --remark 复查时补充说明"));
        }
        self.say(CHECK, complete(case, completed));
        let on = completed.plus_days(25);
        if case.stage >= Stage::CountyChecked && case.class != Class::NoneNeeded {
            self.say(FIRST_CHECK, format!("case accept {number} --level county --on {on} --recheck-on {rechecked}"));
        }
        if case.stage >= Stage::Rejected && case.class != Class::NoneNeeded {
            let failed = if case.stage == Stage::Rejected { " --failed" } else { "" };
            let line = format!(
                "case accept {number} --level city{failed} --on {} --recheck-on {rechecked} --document 巴环验〔{}〕{}号",
                on.plus_days(10),
                year(on),
                case.index + 1
            );
            self.say(ACCEPT, line);
        }
        if let Some(reopened) = case.reopened {
            let line = format!(
                "case reopen {number} --observed-on {reopened} --observation 封堵处晴天有污水流出 --on {reopened}"
            );
            self.say(ACCEPT, line);
        }
    }

    fn identity(&mut self, case: &Case) {
        if let Some(dated) = case.known_from {
            let line = format!(
                "case known-from {} --on {dated} --document 巴中市入河排污口台账（2021年12月封存） --document-dated {dated}",
                case.number
            );
            self.say(KNOWN, line);
            self.say(ACCEPT, format!("case approve-known {} --on {dated}", case.number));
        }
        let Some(signed) = case.signed.filter(|_| case.stage == Stage::Signed) else { return };
        if matches!(case.class, Class::Ban | Class::Merge(_)) {
            return;
        }
        let number = &case.number;
        let lacks = |item: &str| case.lacks == Some(item);
        let named = signed.plus_days(-60);
        self.say(CHECK, format!("case name {number} {} --on {named}", name(case)));
        if !lacks("code") {
            let code = format!("FA-{}-{:04}-{}-00", COUNTIES[case.county].code, case.index + 1, letters(case));
            let document = format!("--document 省平台回执{:04}", case.index + 1);
            self.say(
                ACCEPT,
                format!("case code {number} {code} --issued-on {0} --on {0} {document}", named.plus_days(20)),
            );
        }
        if let Some(reason) = case.exempt {
            self.say(
                ACCEPT,
                format!("case exempt {number} sign --reason {reason} --on {named} --document 巴环函〔2023〕豁免1号"),
            );
        }
        if lacks("sign") {
            return;
        }
        if !lacks("sign_photo") {
            self.photo(WORKS, case, "sign", signed);
        }
        self.say(CHECK, format!("case sign {number} erected --observed-on {signed} --on {signed}"));
        if let Some(damaged) = case.damaged {
            self.say(CHECK, format!("case sign {number} damaged --observed-on {damaged} --on {damaged}"));
        }
    }
}

fn year(day: Day) -> i16 {
    day.parts().0
}

fn place(case: &Case) -> (f64, f64) {
    let county = &COUNTIES[case.county];
    let survivor = if let Counted::Duplicate(_) = case.counted { case.index - 1 } else { case.index };
    let step = survivor as f64;
    let beside = if survivor == case.index { 0.0 } else { 0.000_08 };
    let (lon, lat) = (county.lon + (step * 0.003_7) % 0.09, county.lat + (step * 0.005_3) % 0.07);
    (six_decimals(lon + beside), six_decimals(lat))
}

/// As a receiver shows them.
fn six_decimals(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

fn kind(case: &Case) -> (&'static str, &'static str, &'static str) {
    TYPES[case.index % TYPES.len()]
}

fn letters(case: &Case) -> &'static str {
    if kind(case).0 == "industrial_enterprise" { "GY" } else { "QT" }
}

fn township(case: &Case) -> &'static str {
    COUNTIES[case.county].townships[case.index / 5 % 3]
}

fn name(case: &Case) -> String {
    let county = &COUNTIES[case.county];
    format!("巴中市{}{}大桥下游{}米{}", county.name, township(case), 50 + case.index * 10, kind(case).1)
}

fn class_word(class: Class) -> &'static str {
    match class {
        Class::Ban => "ban",
        Class::Merge(_) => "merge",
        Class::Regulate => "regulate",
        Class::NoneNeeded => "none",
        Class::Proposed => "undecided",
    }
}

fn add(case: &Case) -> String {
    let county = &COUNTIES[case.county];
    let (lon, lat) = place(case);
    let (code, _, mode) = kind(case);
    let mut line = format!(
        "add --number {} --collection {} --lon {lon:.6} --lat {lat:.6} --accuracy 5 --name {} --waterbody {} --township {} --bank {} --type {code} --entry-mode {mode} --basin 渠江 --management-unit {}",
        case.number,
        county.code,
        name(case),
        county.river,
        township(case),
        if case.index.is_multiple_of(2) { "left" } else { "right" },
        if case.index % 17 == 5 && case.county < 2 { "511971" } else { county.code },
    );
    if matches!(case.counted, Counted::Suspect | Counted::NotReached | Counted::NeedsLevel3) {
        line += " --state suspected";
    }
    match case.scale {
        Scale::Above => line += " --volume-per-day 420 --volume-basis permit",
        Scale::Below => line += " --volume-per-day 60 --volume-basis permit",
        Scale::Undetermined => {}
    }
    if let Some((how, day)) = case.set_up {
        let _ = write!(line, " --set-up {how}");
        if how == "new" {
            let _ = write!(line, " --exists-from {day}");
        }
    }
    if let Some(mouth) = case.mouth {
        let _ = write!(line, " --mouth {mouth}");
    }
    line
}

fn survey(case: &Case) -> String {
    let number = &case.number;
    let on = case.surveyed;
    if case.counted == Counted::NotReached {
        return format!("survey {number} --on {on} --outcome no_access --team 甲 --team 乙 --note 断崖，无法到达");
    }
    if case.counted == Counted::NeedsLevel3 {
        return format!(
            "survey {number} --on {on} --outcome partial --level 2 --team 甲 --team 乙 --discharge uncertain"
        );
    }
    let discharge = if case.no_water { "dry" } else { "flowing" };
    let dry = if case.no_water { "no" } else { "yes" };
    let mut line = format!(
        "survey {number} --on {on} --outcome complete --level 2 --team 甲 --team 乙 --weather sunny --rain-48h no --discharge {discharge} --dry-weather-discharge {dry} --pattern intermittent --smell unknown --mixed no --problem {}",
        ["none_found", "sewage_not_collected", "none_found", "rain_sewage_not_separated"][case.index % 4]
    );
    if case.scale == Scale::Undetermined {
        line += " --flow 350";
    }
    line
}

fn sample(case: &Case) -> Option<String> {
    let on = case.sampled?;
    let number = &case.number;
    if case.no_water {
        let day = case.surveyed;
        return Some(format!(
            "sample {number} none --on {day} --reason no_water --dry-weather yes --person 甲 --person 乙"
        ));
    }
    if case.index.is_multiple_of(3) {
        let taken = on.plus_days(-6);
        return Some(format!(
            "sample {number} lab --on {taken} --reported-on {on} --result cod=28 --result nh3_n=1.2 --person 甲 --person 乙 --sample-number S{:04} --laboratory 市环境监测站",
            case.index + 1
        ));
    }
    Some(format!(
        "sample {number} quick --on {on} --result ph=7.4 --result cod=31 --person 甲 --person 乙 --dry-weather yes"
    ))
}

fn trace(case: &Case) -> Option<String> {
    let number = &case.number;
    let Some(on) = case.traced else {
        return Some(format!("trace {number} difficult --difficult-note 暗管走向不明"));
    };
    if case.index % 9 == 4 {
        return Some(format!(
            "trace {number} government_fallback --on {on} --document 巴府函〔{}〕指定{}号 --document-dated {on} --party-name {}人民政府 --party-fallback --department 区县生态环境局",
            year(on),
            case.index + 1,
            COUNTIES[case.county].name
        ));
    }
    Some(format!(
        "trace {number} concluded --on {on} --method on_foot --node 1:outlet --node 2:source --pipe '2>1' --source 沿岸单位 --party-name 示例企业{:03}有限公司 --department 区县生态环境局",
        case.index + 1
    ))
}

fn proposal(case: &Case) -> Option<String> {
    let word = match case.class {
        Class::Proposed => "regulate",
        other => class_word(other),
    };
    (case.counted != Counted::NotAnOutlet).then(|| format!("classify {} {word} --basis 现场判断", case.number))
}

fn measures(case: &Case) -> &'static [&'static str] {
    match case.class {
        Class::Ban => &["close_down"],
        Class::Merge(_) => &["clear_and_merge"],
        _ => &["rain_sewage_separation", "standardisation"],
    }
}

fn complete(case: &Case, completed: Day) -> String {
    let lacks = |item: &str| case.lacks == Some(item);
    let mut line = format!("case complete {} --completed-on {completed} --on {}", case.number, completed.plus_days(3));
    let done = measures(case);
    let kept = if lacks("measure") { &done[..1] } else { done };
    for measure in kept.iter().filter(|_| case.class != Class::NoneNeeded) {
        let _ = write!(line, " --measure {measure}");
    }
    let items: &[&str] = match case.class {
        Class::Ban => &["mouth_removed", "source_stopped"],
        Class::Merge(_) => &["connected", "mouth_sealed"],
        _ => &["archive", "sampling_point"],
    };
    for item in items.iter().filter(|item| !lacks(item)) {
        let _ = write!(line, " --item {item}");
    }
    if let Class::Merge(into) = case.class {
        let target = match into {
            "sewer" => "sewer:城区污水管网",
            "plant" => "plant:城镇污水处理厂",
            outlet => outlet,
        };
        let _ = write!(line, " --merged-into {target}");
    }
    line
}
