//! Milestones: the table of any day in both readings, the outlets behind each figure, and the
//! assessment of the units.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use outlet_core::domain::dictionary::Lang;
use outlet_core::ledger::{Assessment, GroupBy, GroupState, OutletLine, ProgressRow, Reading, UnitAssessment, lines};
use outlet_core::time::Day;

use super::{Answer, Fault, Form, Page, Shared, Visitor, Words, show};
use crate::report;

/// Outlets on one page.
const MOST: usize = 500;

#[derive(Template)]
#[template(path = "console/milestones.html")]
struct TablePage {
    page: Page,
    as_of: Day,
    by: String,
    groupings: Vec<(String, String)>,
    rows: Vec<Row>,
    /// What each milestone says, in the words of the plan.
    titles: Vec<(String, String)>,
}

/// Both readings of one group.
struct Row {
    milestone: String,
    due: Day,
    group: String,
    name: String,
    target: u32,
    now: Arc<ProgressRow>,
    then: Arc<ProgressRow>,
}

/// `GET /milestones?as_of=&by=`.
pub(super) async fn table(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let by: GroupBy = form.given("by").unwrap_or("unit").parse().map_err(|_| Fault::BAD_REQUEST)?;
    let asked = day(&form, "as_of")?;
    let (as_of, rows, titles) = console
        .ask(move |console| {
            let engine = &console.engine;
            let as_of = asked.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            let reference = engine.database().read(|tx| engine.reference(tx))?;
            let table = report::table(engine, reference.active_set(), as_of, by, &visitor.scope())?;
            Ok((as_of, table, super::dashboard::titles(console)?))
        })
        .await?;
    let name = |group: &str| page.words().place(group);
    let of = |wanted: Reading| rows.iter().filter(move |row| row.reading == wanted);
    let both = of(Reading::AsKnownNow).map(|now| {
        let same = |then: &&ProgressRow| then.milestone == now.milestone && then.group == now.group;
        let then = of(Reading::AsReported).find(same).unwrap_or(now);
        Row {
            milestone: now.milestone.clone(),
            due: now.due,
            group: now.group.clone(),
            name: name(&now.group),
            target: now.target,
            now: Arc::new(now.clone()),
            then: Arc::new(then.clone()),
        }
    });
    let rows = both.collect();
    let groupings = GroupBy::ALL.map(|(_, name)| (name.to_owned(), page.t(&format!("by-{name}")))).to_vec();
    let by = form.given("by").unwrap_or("unit").to_owned();
    show(&TablePage { page, as_of, by, groupings, rows, titles })
}

fn day(form: &Form, name: &str) -> Result<Option<Day>, Fault> {
    form.given(name).map(|text| text.parse().map_err(|_| Fault::BAD_REQUEST)).transpose()
}

impl TablePage {
    fn share(&self, row: &ProgressRow) -> String {
        row.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %"))
    }

    fn state(&self, row: &ProgressRow) -> String {
        state_text(self.page.words(), row).0
    }

    /// The outlets of a figure.
    fn rows_of(&self, row: &Row, reading: &str, figure: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("milestone", row.milestone.as_str()),
                ("as_of", &self.as_of.to_string()),
                ("by", &self.by),
                ("group", &row.group),
                ("reading", reading),
                ("figure", figure),
            ])
            .finish();
        format!("/milestones/rows?{query}")
    }
}

/// The state of a group in words, with the number that makes it one, and its tone: whether the target was
/// reached and when, which is something else than whether each outlet was done in time.
pub(super) fn state_text(words: Words, row: &ProgressRow) -> (String, &'static str) {
    let say = |key: &str, number: &dyn std::fmt::Display| words.message(key, &[("count", &number.to_string())]);
    match row.state {
        GroupState::OnTime => (say("group-on-time", &""), "ok"),
        GroupState::Late => (say("group-late", &row.late_days.unwrap_or_default()), "warn"),
        GroupState::Behind => (say("group-behind", &row.needs), "bad"),
        GroupState::Open => (say("group-open", &row.needs), ""),
        GroupState::DocumentsMissing => (say("group-documents-missing", &""), "warn"),
        GroupState::ScaleUndetermined => (say("group-scale-undetermined", &row.scale_undetermined), "warn"),
        GroupState::NotApplicable => (say("group-not-applicable", &""), ""),
    }
}

#[derive(Template)]
#[template(path = "console/milestone_rows.html")]
struct RowsPage {
    page: Page,
    milestone: String,
    as_of: Day,
    figure: String,
    group: String,
    total: usize,
    lines: Vec<OutletLine>,
}

/// `GET /milestones/rows?milestone=&as_of=&by=&group=&reading=&figure=`.
pub(super) async fn rows(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let by: GroupBy = form.given("by").unwrap_or("unit").parse().map_err(|_| Fault::BAD_REQUEST)?;
    let asked = day(&form, "as_of")?;
    let reading = if form.value("reading") == "as_reported" { Reading::AsReported } else { Reading::AsKnownNow };
    let (sent, scope) = (form.clone(), visitor);
    let (as_of, total, lines) = console
        .ask(move |console| {
            let engine = &console.engine;
            let as_of = asked.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            let reference = engine.database().read(|tx| engine.reference(tx))?;
            let set = reference.active_set();
            let milestone = set.milestone(sent.value("milestone")).ok_or(Fault::NOT_FOUND)?;
            let readings = report::readings(engine, set, as_of)?;
            let wanted = (sent.given("group"), sent.given("figure"));
            let mut found = lines(readings.input(&reference, set, as_of), milestone, reading, by, wanted);
            // Figures of units are everybody's; records are shown to who may read them.
            let all = found.len();
            found.retain(|line| scope.sees(line.key.collection));
            let total = if report::is_circulated(by) { all } else { found.len() };
            found.truncate(MOST);
            report::name_lines(engine, &mut found)?;
            Ok((as_of, total, found))
        })
        .await?;
    let milestone = form.value("milestone").to_owned();
    let (figure, group) = (figure_text(&page, form.value("figure")), page.words().place(form.value("group")));
    show(&RowsPage { page, milestone, as_of, figure, group, total, lines })
}

fn figure_text(page: &Page, figure: &str) -> String {
    let text = page.t_of("figure", figure);
    match (figure, text.strip_prefix("figure-")) {
        ("", _) => page.t("all"),
        (_, None) => text,
        (_, Some(code)) => page.label(code.trim_start_matches("grade:")),
    }
}

impl RowsPage {
    fn outlet(&self, line: &OutletLine) -> String {
        super::outlets::address(&line.key)
    }

    fn number(&self, line: &OutletLine) -> String {
        line.number.clone().unwrap_or_else(|| super::outlets::short(&line.id))
    }

    fn missing(&self, line: &OutletLine) -> String {
        missing(&self.page, line)
    }

    fn class(&self, line: &OutletLine) -> String {
        line.classification.as_deref().map(|code| self.page.words().term("classification", code)).unwrap_or_default()
    }

    fn date(&self, line: &OutletLine) -> String {
        line.date.map_or_else(String::new, |date| date.to_string())
    }

    fn grade(&self, line: &OutletLine) -> String {
        line.grade.map_or_else(String::new, |grade| self.page.label(grade.code()))
    }
}

fn missing(page: &Page, line: &OutletLine) -> String {
    let one = |one: &outlet_core::ledger::Missing| {
        page.label(one.condition.code()) + &page.aside(&page.t(&format!("whose-{}", one.whose)))
    };
    page.list(line.missing.iter().map(one))
}

#[derive(Template)]
#[template(path = "console/assess.html")]
struct AssessPage {
    page: Page,
    milestones: Vec<String>,
    assessment: Assessment,
}

/// `GET /assess?milestone=&as_of=`.
pub(super) async fn assess(State(console): Shared, page: Page, visitor: Visitor, form: Form) -> Answer {
    let asked = day(&form, "as_of")?;
    let (milestones, assessment) = console
        .ask(move |console| {
            let engine = &console.engine;
            let as_of = asked.unwrap_or_else(|| engine.folder.now().day_in_shanghai());
            let reference = engine.database().read(|tx| engine.reference(tx))?;
            let set = reference.active_set();
            let first = set.milestones.first().ok_or(Fault::NOT_FOUND)?;
            let wanted = form.given("milestone").unwrap_or(&first.id);
            let milestone = set.milestone(wanted).ok_or(Fault::NOT_FOUND)?;
            let names = set.milestones.iter().map(|milestone| milestone.id.clone()).collect();
            Ok((names, report::assessment(engine, &reference, set, milestone, as_of, &visitor.scope())?))
        })
        .await?;
    show(&AssessPage { page, milestones, assessment })
}

impl AssessPage {
    fn share(&self, row: &ProgressRow) -> String {
        row.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %"))
    }

    fn pace(&self, unit: &UnitAssessment) -> String {
        unit.pace_needed_per_week.map_or_else(String::new, |pace| self.page.t1("per-week", "count", pace))
    }

    fn state(&self, row: &ProgressRow) -> String {
        state_text(self.page.words(), row).0
    }

    /// Where the milestone comes from; marks of a reading or of an unverified figure in words.
    fn source(&self) -> String {
        let source = self.assessment.source.replace(" [I]", "[I]").replace(" [M]", "[M]");
        let aside = |key: &str| self.page.aside(&self.page.t(key));
        source.replace("[I]", &aside("source-reading")).replace("[M]", &aside("source-unverified"))
    }

    /// To whom it is addressed; English has no names of these bodies, so the unit stands for them.
    fn addressee(&self, unit: &UnitAssessment) -> String {
        if self.page.words().0 == Lang::En { self.page.words().place(&unit.unit) } else { unit.addressee.clone() }
    }

    fn late_days(&self, unit: &UnitAssessment) -> String {
        unit.headline.late_days.map_or_else(String::new, |days| self.page.t1("days", "count", days))
    }

    fn open(&self, unit: &UnitAssessment) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("milestone", self.assessment.milestone.as_str()),
                ("as_of", &self.assessment.as_of.to_string()),
                ("by", "unit"),
                ("group", &unit.unit),
                ("figure", "open"),
            ])
            .finish();
        format!("/milestones/rows?{query}")
    }
}
