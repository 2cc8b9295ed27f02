//! The chain 水体—排污口—管线—污染源 of the last trace, laid out from left to right: water body and outlet,
//! then every node by its distance from the outlet, then the sources.

use std::collections::BTreeMap;

use outlet_core::domain::field::Trace;
use outlet_core::ledger::LedgerRow;

use super::super::{Page, Words};
use super::dossier::Said;

const WIDTH: u32 = 150;
const HEIGHT: u32 = 54;
const ACROSS: u32 = 46;
const DOWN: u32 = 16;
/// Nodes and sources drawn; more are named below the picture.
const MOST: usize = 40;
/// Letters that fit into a box.
const LETTERS: usize = 9;

/// The picture.
pub(super) struct Chain {
    pub width: u32,
    pub height: u32,
    pub boxes: Vec<Shown>,
    pub lines: Vec<Line>,
    /// The chain in one sentence, for who does not see the picture.
    pub text: String,
}

/// A box.
pub(super) struct Shown {
    pub x: u32,
    pub y: u32,
    pub middle: u32,
    pub first: u32,
    pub second: u32,
    pub head: String,
    pub name: String,
    pub full: String,
    pub fill: &'static str,
}

/// A line from box to box.
pub(super) struct Line {
    pub x1: u32,
    pub y1: u32,
    pub x2: u32,
    pub y2: u32,
}

struct Spot {
    column: u32,
    row: u32,
}

impl Spot {
    fn x(&self) -> u32 {
        self.column * (WIDTH + ACROSS) + 1
    }

    fn y(&self) -> u32 {
        self.row * (HEIGHT + DOWN) + 1
    }
}

impl Chain {
    /// Of the last trace; nothing when nobody traced and the water is unknown.
    pub(super) fn of(words: Words, field: &[Said], row: &LedgerRow, page: &Page) -> Option<Self> {
        let traces = field.iter().rev().filter(|said| said.kind() == "trace");
        let trace: Option<Trace> = traces.filter_map(|said| serde_json::from_value(said.value.clone()).ok()).next();
        if trace.is_none() && row.waterbody.is_none() {
            return None;
        }
        let mut chain = Self { width: 0, height: 0, boxes: Vec::new(), lines: Vec::new(), text: String::new() };
        let water = row.waterbody.clone().unwrap_or_else(|| words.label("cannot_determine"));
        let outlet = row.name.clone().unwrap_or_else(|| super::number(row));
        let water = chain.put(0, 0, page.t("chain-water"), &water, "#dceaf7");
        let mouth = chain.put(1, 0, page.t("chain-outlet"), &outlet, "#ffe9c7");
        chain.join(&water, &mouth);
        let last = trace.map_or(1, |trace| chain.nodes(words, &trace, &mouth, page));
        chain.width = (last + 1) * (WIDTH + ACROSS) - ACROSS + 2;
        let names: Vec<&str> = chain.boxes.iter().map(|shown| shown.full.as_str()).collect();
        chain.text = names.join(" — ");
        Some(chain)
    }

    /// Draws nodes and sources; answers the last column.
    fn nodes(&mut self, words: Words, trace: &Trace, mouth: &Spot, page: &Page) -> u32 {
        let nodes: Vec<_> = trace.nodes.iter().filter(|node| node.kind != "outlet").take(MOST).collect();
        let depths = depths(trace);
        let mut rows: BTreeMap<u32, u32> = BTreeMap::new();
        let mut spots: BTreeMap<u32, Spot> = BTreeMap::new();
        let mut last = 1;
        for (place, node) in (1_u32..).zip(&nodes) {
            // Without pipes the nodes follow one another as they are numbered.
            let depth = depths.get(&node.serial).copied().unwrap_or(if trace.pipes.is_empty() { place } else { 1 });
            let column = 1 + depth.clamp(1, 12);
            let row = rows.entry(column).or_insert(0);
            let head = words.term("node_kind", &node.kind);
            let name = node.name.clone().unwrap_or_else(|| page.t1("chain-node", "number", node.serial));
            let spot = self.put(column, *row, head, &name, if node.kind == "source" { "#f6d9d6" } else { "#eef2f6" });
            *row += 1;
            last = last.max(column);
            spots.insert(node.serial, spot);
        }
        self.pipes(trace, &nodes.iter().map(|node| node.serial).collect::<Vec<_>>(), &spots, mouth);
        // Sources that no node stands for.
        let extra = trace.sources.iter().filter(|source| !nodes.iter().any(|node| node.name.as_ref() == Some(source)));
        let extra: Vec<&String> = extra.take(MOST).collect();
        if !extra.is_empty() {
            let before = nodes.last().and_then(|node| spots.get(&node.serial)).unwrap_or(mouth);
            let (column, from) = (last + 1, Spot { column: before.column, row: before.row });
            for (row, source) in (0_u32..).zip(extra) {
                let spot = self.put(column, row, page.t("chain-source"), source, "#f6d9d6");
                self.join(&from, &spot);
            }
            last = column;
        }
        last
    }

    fn pipes(&mut self, trace: &Trace, serials: &[u32], spots: &BTreeMap<u32, Spot>, mouth: &Spot) {
        let is_mouth = |serial: u32| !spots.contains_key(&serial);
        if trace.pipes.is_empty() {
            let mut before = mouth;
            for spot in serials.iter().filter_map(|serial| spots.get(serial)) {
                self.join(before, spot);
                before = spot;
            }
            return;
        }
        for pipe in trace.pipes.iter().take(MOST * 2) {
            let Some(from) = spots.get(&pipe.from) else { continue };
            let to = if is_mouth(pipe.to) { mouth } else { spots.get(&pipe.to).unwrap_or(mouth) };
            self.join(to, from);
        }
    }

    fn put(&mut self, column: u32, row: u32, head: String, name: &str, fill: &'static str) -> Spot {
        let spot = Spot { column, row };
        let short: String = name.chars().take(LETTERS).collect();
        let name_shown = if short.len() < name.len() { format!("{short}…") } else { short };
        self.boxes.push(Shown {
            x: spot.x(),
            y: spot.y(),
            middle: spot.x() + WIDTH / 2,
            first: spot.y() + 20,
            second: spot.y() + 41,
            full: format!("{head}: {name}"),
            head,
            name: name_shown,
            fill,
        });
        self.height = self.height.max(spot.y() + HEIGHT + 2);
        spot
    }

    fn join(&mut self, left: &Spot, right: &Spot) {
        let middle = |spot: &Spot| spot.y() + HEIGHT / 2;
        self.lines.push(Line { x1: left.x() + WIDTH, y1: middle(left), x2: right.x(), y2: middle(right) });
    }
}

/// How many pipes lie between each node and the outlet. Circles end: no node is visited twice.
fn depths(trace: &Trace) -> BTreeMap<u32, u32> {
    let mouths: Vec<u32> = trace.nodes.iter().filter(|node| node.kind == "outlet").map(|node| node.serial).collect();
    let known: Vec<u32> = trace.nodes.iter().map(|node| node.serial).collect();
    let mut depths: BTreeMap<u32, u32> = mouths.iter().map(|serial| (*serial, 0)).collect();
    // A pipe to a node that is not listed leads to the outlet.
    for pipe in trace.pipes.iter().filter(|pipe| !known.contains(&pipe.to)) {
        depths.insert(pipe.to, 0);
    }
    for depth in 0..12 {
        let next: Vec<u32> = trace
            .pipes
            .iter()
            .filter(|pipe| depths.get(&pipe.to) == Some(&depth) && !depths.contains_key(&pipe.from))
            .map(|pipe| pipe.from)
            .collect();
        depths.extend(next.into_iter().map(|serial| (serial, depth + 1)));
    }
    depths
}
