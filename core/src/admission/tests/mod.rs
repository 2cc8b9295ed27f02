//! Admission: what is refused, and that everything honest passes.

mod apply;
mod cost;
mod hostile;
mod line;
mod run;
mod world;
