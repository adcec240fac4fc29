//! The same models, begun just before laps and generations wrap.

use crate::check::{BRIEF, caught};
use crate::tiny::Shape;
use crate::{chunk, ring, sender};

#[test]
fn laps_and_generations_begin_anew() {
    ring::two_senders_and_a_taker(Shape::of(0, 3).ancient(), BRIEF);
    chunk::reuse(0, Shape::of(0, 1).ancient());
    sender::a_sender_dies(Shape::of(0, 1).ancient());
    caught(&["lap-not-compared"], || ring::two_senders_and_a_taker(Shape::of(1, 3).ancient(), BRIEF));
}
