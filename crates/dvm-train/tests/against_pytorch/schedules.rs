//! Schedules.

use dvm_train::schedules::{self, SchedulePosition};
use dvm_train::{Criterion, Schedule, Settings, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::{assert_near, cases, numbers};

static CASES: &str = include_str!("../references/schedules.json");
static PLATEAUS: &str = include_str!("../references/plateaus.json");

fn schedule(name: &str, options: &Value) -> Box<dyn Schedule> {
    let options = Settings::deserialize(options).unwrap();
    schedules::find(name).unwrap().schedule(&options).unwrap().0
}

#[test]
fn learning_rates_equal_pytorchs() {
    for case in cases(CASES) {
        let name = case["schedule"].as_str().unwrap();
        let schedule = schedule(name, &case["options"]);
        let number = |key: &str| case[key].as_u64().unwrap();
        let found: Vec<f64> = (0..number("steps"))
            .map(|step| {
                schedule.factor(SchedulePosition {
                    step,
                    steps: number("steps"),
                    epoch: step / number("steps_per_epoch"),
                })
            })
            .collect();
        let what = format!("{name} {}", case["options"]);
        assert_near(&what, &found, &numbers(&case["factors"]), 1e-12);
    }
}

#[test]
fn every_schedule_without_state_was_compared() {
    for entry in schedules::ALL {
        let compared = cases(CASES).iter().any(|c| c["schedule"] == entry.name);
        assert!(
            compared || ["constant", "plateau"].contains(&entry.name),
            "{}",
            entry.name
        );
    }
}

#[test]
fn the_constant_schedule_has_factor_one() {
    let schedule = schedule("constant", &Value::Object(Default::default()));
    for step in [0, 5, 99] {
        assert_eq!(schedule.factor(at(step)), 1.0);
    }
}

fn at(step: u64) -> SchedulePosition {
    SchedulePosition {
        step,
        steps: 100,
        epoch: step / 10,
    }
}

/// A validation with `value` for the criterion of a case, and meaningless values for the others.
fn validation(case: &Value, value: f64) -> Validation {
    let criterion = Criterion::find(case["options"]["criterion"].as_str().unwrap()).unwrap();
    let only = |this| if criterion == this { value } else { f64::NAN };
    Validation {
        loss: only(Criterion::Loss),
        accuracy: only(Criterion::Accuracy),
        balanced_accuracy: only(Criterion::BalancedAccuracy),
    }
}

#[test]
fn plateaus_are_detected_as_in_pytorch() {
    for case in cases(PLATEAUS) {
        let mut schedule = schedule("plateau", &case["options"]);
        let mut found = Vec::new();
        for value in numbers(&case["values"]) {
            schedule.observe(&validation(&case, value));
            found.push(schedule.factor(at(0)));
        }
        let expected = numbers(&case["factors"]);
        assert_near(&case["options"].to_string(), &found, &expected, 1e-12);
    }
}

#[test]
fn a_restored_plateau_schedule_continues_the_same() {
    for case in cases(PLATEAUS) {
        let values = numbers(&case["values"]);
        for stop in 0..values.len() {
            let mut whole = schedule("plateau", &case["options"]);
            for &value in &values[..stop] {
                whole.observe(&validation(&case, value));
            }
            let text = whole.state().to_string();
            let mut restored = schedule("plateau", &case["options"]);
            restored
                .restore(&serde_json::from_str(&text).unwrap())
                .unwrap();
            for &value in &values[stop..] {
                whole.observe(&validation(&case, value));
                restored.observe(&validation(&case, value));
                assert_eq!(whole.state(), restored.state());
                assert_eq!(whole.factor(at(0)), restored.factor(at(0)));
            }
        }
    }
}

#[test]
fn the_state_of_another_schedule_is_an_error() {
    let none = Value::Object(Default::default());
    let mut plateau = schedule("plateau", &none);
    let mut cosine = schedule("cosine", &none);
    assert!(cosine.restore(&plateau.state()).is_err());
    assert!(plateau.restore(&cosine.state()).is_err());
    let mut wrong = plateau.state();
    wrong["factor"] = 2.0.into();
    assert!(plateau.restore(&wrong).is_err());
}
