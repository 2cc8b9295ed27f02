//! The ledger row: what a person reads about one outlet, with the last approved values and what
//! was amended since beside them.

use serde::{Deserialize, Serialize};

use super::ScaleClass;
use super::conditions::{current_code, samples, surveys, traces};
use super::decisions::{Current, Live};
use super::findings::{Finding, code};
use super::problems::{Problem, problems};
use super::profile::{Extension, Profile, Standing};
use super::rectify::{Works, classify_of};
use super::review::ReviewState;
use super::scale::ScaleFigure;
use super::set::Condition;
use super::values::Source;
use super::view::View;
use crate::domain::Answer;
use crate::domain::case::{Decision, MergedInto};
use crate::domain::field::{FieldEntry, Party, fact};
use crate::ids::{BlobHash, Collection, DocKey, OutletId};
use crate::time::{Day, Timestamp};

/// Where an outlet is in its life (lifecycle.md section 2): a projection of signed decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeCycle {
    /// 疑似.
    Suspected,
    /// 三级排查.
    #[serde(rename = "needs_level_3")]
    NeedsLevel3,
    /// 非排口.
    NotAnOutlet,
    /// 排查中.
    Surveying,
    /// 待审.
    Submitted,
    /// 已入账.
    Listed,
    /// 重复.
    Duplicate,
    /// Moved to another collection.
    Moved,
    /// 定类.
    Decided,
    /// 方案已批.
    PlanApproved,
    /// 整治中.
    Rectifying,
    /// 待验收.
    CompletionReported,
    /// 县级初验 passed.
    CountyPassed,
    /// 验收不通过.
    Rejected,
    /// 已销号.
    Accepted,
    /// 在管.
    InService,
    /// 已关闭.
    Closed,
    /// 复发/复查不通过.
    Reopened,
}

impl LifeCycle {
    /// The code used in JSON and CSV.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::NeedsLevel3 => "needs_level_3",
            Self::NotAnOutlet => "not_an_outlet",
            Self::Surveying => "surveying",
            Self::Submitted => "submitted",
            Self::Listed => "listed",
            Self::Duplicate => "duplicate",
            Self::Moved => "moved",
            Self::Decided => "decided",
            Self::PlanApproved => "plan_approved",
            Self::Rectifying => "rectifying",
            Self::CompletionReported => "completion_reported",
            Self::CountyPassed => "county_passed",
            Self::Rejected => "rejected",
            Self::Accepted => "accepted",
            Self::InService => "in_service",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }
}

/// A responsible party as published: never the contact of a natural person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartyColumn {
    /// Name.
    pub name: String,
    /// 统一社会信用代码.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uscc: Option<String>,
    /// Permit number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit_number: Option<String>,
    /// Industry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub industry: Option<String>,
    /// 政府兜底.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub government_fallback: bool,
}

impl From<&Party> for PartyColumn {
    fn from(party: &Party) -> Self {
        Self {
            name: party.name.clone(),
            uscc: party.uscc.clone(),
            permit_number: party.permit_number.clone(),
            industry: party.industry.clone(),
            government_fallback: party.government_fallback,
        }
    }
}

/// One outlet in the ledger (台账).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The outlet.
    pub id: OutletId,
    /// National code: recorded or issued, not cancelled.
    pub national_code: Option<String>,
    /// Provincial code.
    pub provincial_code: Option<String>,
    /// 排口临时编号.
    pub temporary_number: Option<String>,
    /// Approved name, else the proposed one.
    pub name: Option<String>,
    /// Degrees east, WGS-84.
    pub lon: Option<f64>,
    /// Degrees north, WGS-84.
    pub lat: Option<f64>,
    /// County code.
    pub county: Option<String>,
    /// Township.
    pub township: Option<String>,
    /// 受纳水体.
    pub waterbody: Option<String>,
    /// Class decided; nothing if only proposed.
    pub classification: Option<String>,
    /// Class proposed.
    pub classification_proposed: Option<String>,
    /// Day of the class decision.
    pub decided_on: Option<Day>,
    /// Its document (文号).
    pub decision_document: Option<String>,
    /// State in review.
    pub review_state: ReviewState,
    /// 入河方式.
    pub entry_mode: Option<String>,
    /// 排放规律.
    pub discharge_pattern: Option<String>,
    /// 规模.
    pub scale: ScaleClass,
    /// Its basis (dictionary `scale_basis`).
    pub scale_basis: Option<String>,
    /// 主要责任主体.
    pub primary_party: Option<String>,
    /// 主管部门.
    pub competent_department: Option<String>,
    /// Open problems.
    pub problem_count: usize,

    /// Collection: the unit of access, of nothing else.
    pub collection: Collection,
    /// Key of the field record.
    pub key: DocKey,
    /// State of life.
    pub state: LifeCycle,
    /// Outlet type code.
    pub outlet_type: Option<String>,
    /// Scheme of the type.
    pub type_scheme: Option<String>,
    /// Bank.
    pub bank: Option<String>,
    /// Reporting unit.
    pub management_unit: Option<String>,
    /// 流域.
    pub basin: Option<String>,
    /// 水功能区.
    pub water_function_zone: Option<String>,
    /// 控制单元.
    pub control_unit: Option<String>,
    /// 断面.
    pub section: Option<String>,
    /// Village.
    pub village: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Datum of the raw pair.
    pub datum: Option<String>,
    /// Accuracy in metres.
    pub accuracy_m: Option<f64>,
    /// Last survey.
    pub surveyed_on: Option<Day>,
    /// 排水特征 of the last survey.
    pub discharge_state: Option<String>,
    /// 是否晴天排水: `yes | no | cannot_determine`; nothing if not asked, or if it had rained.
    pub dry_weather_discharge: Option<String>,
    /// 是否混排 of the last survey that says it: `yes | no | cannot_determine`.
    #[serde(default)]
    pub mixed: Option<String>,
    /// 异常, likewise.
    #[serde(default)]
    pub abnormal: Option<String>,
    /// Last sample or substitute.
    pub sampled_on: Option<Day>,
    /// Trace concluded.
    pub traced_on: Option<Day>,
    /// The party in full.
    pub party: Option<PartyColumn>,
    /// Other parties.
    pub other_parties: Vec<PartyColumn>,
    /// 审批状态.
    pub approval_status: Option<String>,
    /// `existing | new | altered | enlarged`.
    pub set_up: Option<String>,
    /// Exists since.
    pub exists_from: Option<Day>,
    /// Due date of the plan.
    pub plan_due: Option<Day>,
    /// Measures of the plan.
    pub measures: Vec<String>,
    /// Completion date.
    pub completed_on: Option<Day>,
    /// Acceptance date.
    pub accepted_on: Option<Day>,
    /// Re-opened on.
    pub reopened_on: Option<Day>,
    /// Sign: `none | ordered | erected | damaged | repaired | missing | outdated`.
    pub sign_state: String,
    /// Sign erected on.
    pub sign_on: Option<Day>,
    /// Last extension.
    pub extension: Option<Extension>,
    /// 合并去向.
    pub merged_into: Option<MergedInto>,
    /// 重复记录 of.
    pub duplicate_of: Option<DocKey>,
    /// Moved to.
    pub moved_to: Option<DocKey>,
    /// Enforcement lead: last step.
    pub enforcement: Option<String>,
    /// The name is an approved one.
    #[serde(default)]
    pub name_approved: bool,
    /// Newest consent or registration on paper (设置审批/登记).
    #[serde(default)]
    pub consent: Option<crate::consent::ConsentColumn>,
    /// Reason of the state (非排口, 三级排查).
    #[serde(default)]
    pub state_reason: Option<String>,
    /// Last routine inspection (日常检查).
    #[serde(default)]
    pub inspected_on: Option<Day>,
    /// Last supervisory sampling (监督性监测).
    #[serde(default)]
    pub supervised_on: Option<Day>,
    /// Bad inspection that no re-opening answers yet.
    #[serde(default)]
    pub reopen_proposed_on: Option<Day>,
    /// Permit limits by parameter.
    #[serde(default)]
    pub permit_limits: Option<serde_json::Value>,
    /// List that the record was imported from.
    #[serde(default)]
    pub source_list: Option<String>,
    /// What names it there.
    #[serde(default)]
    pub source_id: Option<String>,
    /// Photos.
    pub photos: usize,
    /// Other files.
    pub attachments: usize,
    /// Problems.
    pub problems: Vec<Problem>,
    /// Figures of the scale.
    pub scale_history: Vec<ScaleFigure>,
    /// Gated facts in conflict.
    pub conflicts: Vec<String>,
    /// Facts amended since the approval whose values are shown.
    pub amended: Vec<String>,
    /// Facts shown although nobody reviewed them.
    pub unreviewed: Vec<String>,
    /// Reasons of the last return.
    pub return_reasons: Vec<String>,
    /// Receipt of the submission that waits or was reviewed.
    #[serde(default)]
    pub submitted_at: Option<Timestamp>,
    /// Name of whoever handed it in.
    #[serde(default)]
    pub submitted_by: Option<String>,
    /// Handed in again after a return.
    #[serde(default)]
    pub resubmitted: bool,
    /// Receipt of the last approval or return.
    #[serde(default)]
    pub reviewed_at: Option<Timestamp>,
    /// Whoever approved or returned last, with level.
    #[serde(default)]
    pub reviewed_by: Option<String>,
    /// Photographs, by the hash of the original.
    #[serde(default)]
    pub photo_files: Vec<BlobHash>,
    /// Findings.
    pub finding_count: usize,
}

/// Facts of the columns, for `unreviewed`.
const COLUMNS: [&str; 8] = [
    fact::NAME,
    fact::LOCATION,
    fact::COUNTY,
    fact::TOWNSHIP,
    fact::WATERBODY,
    fact::ENTRY_MODE,
    fact::OUTLET_TYPE,
    fact::MANAGEMENT_UNIT,
];

/// Builds the row; `profile` is of the same reading.
pub(crate) fn build(view: &View<'_, '_>, profile: &Profile, findings: &mut Vec<Finding>) -> LedgerRow {
    let works = Works::read(&view.live);
    let text = |name: &str| view.values.text(name).map(str::to_owned);
    let location = view.values.location();
    if location.is_none() && !view.values.conflicts.iter().any(|name| name == fact::LOCATION) {
        findings.push(Finding::new(code::NO_POSITION).field(fact::LOCATION));
    }
    let scale = view.scale();
    findings.extend(super::scale::mismatch(view, scale));
    let (parties, department) = parties(view, &view.live, &works, None);
    let problems = problems(view, &works);
    findings.extend(super::notices::notices(view, &works, profile, &problems));
    let observation = observation(view, findings);
    let class = class_columns(&works, view.set, findings);
    let (standing_duplicate, standing_moved) = match &profile.standing {
        Standing::Duplicate { of } => (Some(*of), None),
        Standing::Moved { to } => (None, Some(*to)),
        _ => (None, None),
    };
    let date = |condition| profile.fixed.get(&condition).filter(|check| check.met).and_then(|check| check.date);
    let round = works.round.as_ref();
    let sign = sign_state(view);
    findings.extend(super::sign::outdated(view, &sign.0));
    let source = super::upkeep::source(view);
    let upkeep = super::upkeep::read(view);
    if let Some((entry, on)) = upkeep.proposed {
        findings.push(Finding::new(code::REOPEN_PROPOSED).entry(entry).detail(on.to_string()));
    }
    LedgerRow {
        id: profile.key.id,
        national_code: official_code(view, "national", fact::NATIONAL_CODE, findings),
        provincial_code: official_code(view, "provincial", fact::PROVINCIAL_CODE, findings),
        temporary_number: text(fact::TEMPORARY_NUMBER),
        name: approved_name(&view.live).or_else(|| text(fact::NAME)),
        lon: location.as_ref().map(|location| location.lon),
        lat: location.as_ref().map(|location| location.lat),
        county: profile.groups.county.clone(),
        township: text(fact::TOWNSHIP),
        waterbody: text(fact::WATERBODY),
        classification: class.0,
        classification_proposed: text(fact::CLASSIFICATION),
        decided_on: class.1,
        decision_document: class.2,
        review_state: view.reviews.state,
        entry_mode: text(fact::ENTRY_MODE),
        discharge_pattern: observation.pattern,
        scale: scale.class,
        scale_basis: scale.basis.clone(),
        primary_party: parties.first().map(|party| party.name.clone()),
        competent_department: department,
        problem_count: problems.iter().filter(|problem| problem.open).count(),
        collection: profile.key.collection,
        key: profile.key,
        state: life_cycle(view, profile, &works),
        outlet_type: text(fact::OUTLET_TYPE),
        type_scheme: text(fact::TYPE_SCHEME),
        bank: text(fact::BANK),
        management_unit: profile.groups.unit.clone(),
        basin: text(fact::BASIN),
        water_function_zone: text(fact::WATER_FUNCTION_ZONE),
        control_unit: text(fact::CONTROL_UNIT),
        section: text(fact::SECTION),
        village: text(fact::VILLAGE),
        address: text(fact::ADDRESS),
        datum: location.as_ref().map(|location| location.datum.clone()),
        accuracy_m: location.as_ref().and_then(|location| location.accuracy_m),
        surveyed_on: observation.on,
        discharge_state: observation.state,
        dry_weather_discharge: observation.dry_weather,
        mixed: observation.mixed,
        abnormal: observation.abnormal,
        sampled_on: samples(view).iter().filter_map(|(item, _)| item.evidence).max(),
        traced_on: date(Condition::Trace),
        party: parties.first().cloned(),
        other_parties: parties.into_iter().skip(1).collect(),
        approval_status: text(fact::APPROVAL_STATUS),
        set_up: profile.set_up.clone(),
        exists_from: profile.exists_from,
        plan_due: works.plan.and_then(|(_, plan)| plan.due),
        measures: works.plan.map(|(_, plan)| plan.measures.clone()).unwrap_or_default(),
        completed_on: round.and_then(|round| round.item.evidence),
        accepted_on: round.filter(|round| round.accepted()).and_then(|round| round.city?.0.evidence),
        reopened_on: works.reopened,
        sign_state: sign.0,
        sign_on: date(Condition::Sign).or(sign.1),
        extension: profile.extensions.last().cloned(),
        merged_into: round.and_then(|round| round.complete.merged_into.clone()),
        duplicate_of: standing_duplicate,
        moved_to: standing_moved,
        enforcement: enforcement(view),
        name_approved: approved_name(&view.live).is_some(),
        consent: super::upkeep::consent(view),
        state_reason: super::upkeep::state_reason(view),
        inspected_on: upkeep.routine,
        supervised_on: upkeep.supervisory,
        reopen_proposed_on: upkeep.proposed.map(|(_, on)| on),
        permit_limits: view.values.get(fact::PERMIT_LIMITS).map(|shown| shown.value.clone()),
        source_list: source.as_ref().map(|source| source.list.clone()),
        source_id: source.map(|source| source.source_id.clone()),
        photos: view.known.photos().count(),
        attachments: view.known.attachments().count(),
        problems,
        scale_history: scale.history.clone(),
        conflicts: view.values.conflicts.clone(),
        amended: view.values.amended.clone(),
        unreviewed: unreviewed(view),
        return_reasons: view.reviews.return_reasons.clone(),
        submitted_at: view.reviews.submitted.and_then(|item| item.origin.received_at),
        submitted_by: view.reviews.submitted.and_then(|item| item.author.as_ref()).map(|author| author.name.clone()),
        resubmitted: view.reviews.again,
        reviewed_at: view.reviews.reviewed.and_then(|item| item.origin.received_at),
        reviewed_by: view.reviews.reviewed.map(super::decisions::who),
        photo_files: view.known.photos().map(|(_, photo)| photo.sha256).collect(),
        finding_count: 0,
    }
}

fn unreviewed(view: &View<'_, '_>) -> Vec<String> {
    let current = |name: &&str| view.values.get(name).is_some_and(|shown| shown.source == Source::Current);
    COLUMNS.into_iter().filter(current).map(str::to_owned).collect()
}

/// Class, day and document of the decision; findings on what it lacks.
fn class_columns(
    works: &Works<'_>,
    set: &super::set::MilestoneSet,
    findings: &mut Vec<Finding>,
) -> (Option<String>, Option<Day>, Option<String>) {
    findings.extend(works.class.finding("class"));
    let Some((item, classify)) = works.class.one().and_then(|item| Some((item, classify_of(item)?))) else {
        return (None, None, None);
    };
    let government = classify.government_document.as_ref();
    let document = item.value.document.as_ref().or(government);
    if set.class.needs_document && document.is_none() {
        findings.push(Finding::new(code::CLASS_WITHOUT_DOCUMENT).entry(item.id));
    }
    if set.class.ban_needs_government_document && classify.classification == "ban" && government.is_none() {
        findings.push(Finding::new(code::BAN_WITHOUT_GOVERNMENT_DOCUMENT).entry(item.id));
    }
    for basis in &classify.legal_bases {
        let day = item.evidence.unwrap_or_else(|| Day::from_epoch_days(0));
        if set.basis(&basis.document).is_some_and(|rule| !rule.in_force(day)) {
            findings.push(Finding::new(code::LEGAL_BASIS_NOT_IN_FORCE).entry(item.id).detail(basis.document.clone()));
        }
    }
    (Some(classify.classification.clone()), item.evidence, document.map(|document| document.number.clone()))
}

#[derive(Default)]
struct Observation {
    on: Option<Day>,
    state: Option<String>,
    pattern: Option<String>,
    dry_weather: Option<String>,
    mixed: Option<String>,
    abnormal: Option<String>,
}

/// The last survey; dry-weather discharge only where it can be answered.
fn observation(view: &View<'_, '_>, findings: &mut Vec<Finding>) -> Observation {
    let mut all = surveys(view);
    all.sort_by_key(|(item, _)| item.evidence);
    let latest = |pick: &dyn Fn(&crate::domain::field::Survey) -> Option<String>| {
        all.iter().rev().find_map(|(_, survey)| pick(survey))
    };
    for (item, survey) in &all {
        if survey.dry_weather_discharge.value().is_some() && survey.rain_48h.value() != Some(&false) {
            findings.push(Finding::new(code::DRY_WEATHER_AFTER_RAIN).field("survey").entry(item.id));
        }
    }
    Observation {
        on: all.last().and_then(|(item, _)| item.evidence),
        state: latest(&|survey| answer(&survey.discharge_state)),
        pattern: latest(&|survey| answer(&survey.pattern)),
        dry_weather: latest(&|survey| match (&survey.dry_weather_discharge, survey.rain_48h.value()) {
            (Answer::Value(yes), Some(false)) => Some(if *yes { "yes" } else { "no" }.to_owned()),
            (Answer::CannotDetermine, _) => Some("cannot_determine".to_owned()),
            _ => None,
        }),
        mixed: latest(&|survey| yes_no(&survey.mixed)),
        abnormal: latest(&|survey| yes_no(&survey.abnormal)),
    }
}

/// `yes`, `no` or `cannot_determine`; blank and never asked stay empty.
fn yes_no(answer: &Answer<bool>) -> Option<String> {
    match answer {
        Answer::Value(true) => Some("yes".to_owned()),
        Answer::Value(false) => Some("no".to_owned()),
        Answer::CannotDetermine => Some("cannot_determine".to_owned()),
        _ => None,
    }
}

/// A value, or "cannot_determine"; blank and never asked stay empty.
fn answer(answer: &Answer<String>) -> Option<String> {
    match answer {
        Answer::Value(value) => Some(value.clone()),
        Answer::CannotDetermine => Some("cannot_determine".to_owned()),
        _ => None,
    }
}

/// The name that a standing decision gives.
pub(crate) fn approved_name(live: &Live<'_, '_>) -> Option<String> {
    let name = |decision: &Decision| match decision {
        Decision::Name(name) => Some(name.name.clone()),
        _ => None,
    };
    name(&live.decided(name).one()?.value.decision)
}

/// The code decided; else the one found in the field, unless it was cancelled.
fn official_code(view: &View<'_, '_>, system: &str, fact: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let current = current_code(&view.live, system);
    findings.extend(current.finding(fact));
    let found = view.values.text(fact);
    let decided = match current.one().map(|item| &item.value.decision) {
        Some(Decision::Code(code)) => Some(code),
        _ => None,
    };
    match decided {
        Some(code) if code.cancelled => {
            if found == Some(code.code.as_str()) {
                findings.push(Finding::new(code::CODE_CANCELLED).field(fact).detail(code.code.clone()));
            }
            None
        }
        Some(code) => Some(code.code.clone()),
        None if matches!(current, Current::None) => found.map(str::to_owned),
        None => None,
    }
}

/// Primary party first, and the department: by decision, else the last approved conclusion, else the
/// last one. `live` and `works` are those of the end of `until`, which also limits the conclusions.
pub(crate) fn parties(
    view: &View<'_, '_>,
    live: &Live<'_, '_>,
    works: &Works<'_>,
    until: Option<Day>,
) -> (Vec<PartyColumn>, Option<String>) {
    let mut parties: Vec<PartyColumn> = Vec::new();
    let mut department = None;
    let mut traces = traces(view);
    traces.retain(|(item, _)| until.is_none_or(|day| item.evidence.is_some_and(|on| on <= day)));
    traces.sort_by_key(|(item, _)| (view.reviews.approval(item, &[]).is_some(), item.evidence));
    if let Some((_, trace)) = traces.iter().rev().find(|(_, trace)| trace.primary_party.is_some()) {
        parties = trace.primary_party.iter().chain(&trace.other_parties).map(PartyColumn::from).collect();
        department = trace.competent_department.clone();
    }
    if let Some((_, plan)) = works.plan {
        if let Some(party) = plan.party.as_ref().filter(|_| parties.is_empty()) {
            parties.push(party.into());
        }
        department = plan.competent_department.clone().or(department);
    }
    for item in live.items() {
        if let Decision::Party(decision) = &item.value.decision {
            if let Some(primary) = &decision.primary {
                parties = std::iter::once(primary).chain(&decision.others).map(PartyColumn::from).collect();
            }
            department = decision.competent_department.clone().or(department);
        }
    }
    (parties, department)
}

/// Last known state of the sign, by day; a decision outweighs an observation of the same day.
fn sign_state(view: &View<'_, '_>) -> (String, Option<Day>) {
    let mut states: Vec<(Option<Day>, bool, &str)> = Vec::new();
    for item in &view.known.field {
        if let FieldEntry::Sign(sign) = &item.value {
            states.push((sign.on, false, &sign.state));
        }
    }
    for item in view.live.items() {
        if let Decision::Sign(sign) = &item.value.decision {
            states.push((sign.observed_on.or(item.evidence), true, &sign.state));
        }
    }
    states.sort_by_key(|(on, decided, _)| (*on, *decided));
    states.last().map_or(("none".to_owned(), None), |(on, _, state)| ((*state).to_owned(), *on))
}

fn enforcement(view: &View<'_, '_>) -> Option<String> {
    view.live.items().rev().find_map(|item| match &item.value.decision {
        Decision::Enforcement(enforcement) => Some(enforcement.step.clone()),
        _ => None,
    })
}

/// State of life, from the strongest claim down.
fn life_cycle(view: &View<'_, '_>, profile: &Profile, works: &Works<'_>) -> LifeCycle {
    match &profile.standing {
        Standing::Duplicate { .. } => return LifeCycle::Duplicate,
        Standing::Moved { .. } => return LifeCycle::Moved,
        Standing::NotAnOutlet => return LifeCycle::NotAnOutlet,
        Standing::Suspect => {
            let level_3 = view.values.text(fact::STATE) == Some("needs_level_3");
            return if level_3 { LifeCycle::NeedsLevel3 } else { LifeCycle::Suspected };
        }
        _ => {}
    }
    if works.reopened.is_some() && works.round.as_ref().is_none_or(|round| round.reopened.is_some()) {
        return LifeCycle::Reopened;
    }
    let class = works.classification();
    match (&works.round, class) {
        (Some(round), _) if round.accepted() => match class {
            Some("regulate") => LifeCycle::InService,
            Some("ban" | "merge") => LifeCycle::Closed,
            _ => LifeCycle::Accepted,
        },
        (Some(round), _) if round.rejected => LifeCycle::Rejected,
        (_, Some("none_needed")) => LifeCycle::InService,
        (Some(round), _) if round.county.is_some() => LifeCycle::CountyPassed,
        (Some(_), _) => LifeCycle::CompletionReported,
        (None, Some(_)) if works.plan.is_some() => match progressed(view) {
            true => LifeCycle::Rectifying,
            false => LifeCycle::PlanApproved,
        },
        (None, Some(class)) if class != "undecided" => LifeCycle::Decided,
        _ if view.reviews.listed() => LifeCycle::Listed,
        _ if view.reviews.state == ReviewState::Submitted => LifeCycle::Submitted,
        _ => LifeCycle::Surveying,
    }
}

fn progressed(view: &View<'_, '_>) -> bool {
    view.known.field.iter().any(|item| matches!(item.value, FieldEntry::Progress(_)))
}
