//! Grey pictures among coloured ones, or coloured pictures among grey ones.

use crate::audit::{Finding, Kind, Severity, counted};

pub(super) const GREY_AMONG_COLOUR: Kind = Kind {
    name: "grey-among-colour",
    summary: "grey pictures among coloured ones, or coloured pictures among grey ones",
    find: |survey, _| {
        let mut of_class = vec![(0, 0); survey.classes.len()];
        for (_, picture, facts) in survey.readable() {
            let (grey, all) = &mut of_class[picture.class];
            *grey += usize::from(facts.is_grey);
            *all += 1;
        }
        let all: usize = of_class.iter().map(|(_, all)| all).sum();
        let grey: usize = of_class.iter().map(|(grey, _)| grey).sum();
        if grey == 0 || grey == all {
            return Vec::new();
        }
        let is_rare_grey = 2 * grey <= all;
        let rare: Vec<_> = survey
            .readable()
            .filter(|(_, _, facts)| facts.is_grey == is_rare_grey)
            .map(|(_, picture, _)| survey.alone(picture, ""))
            .collect();
        let share = |(grey, all): &(usize, usize)| *grey as f64 / (*all).max(1) as f64;
        let shares = || of_class.iter().filter(|(_, all)| *all > 0).map(share);
        let (least, most) = (shares().fold(1.0, f64::min), shares().fold(0.0, f64::max));
        let tells = most - least > TELLING;
        let by_class = survey.classes.iter().zip(&of_class);
        let by_class: Vec<String> = by_class
            .filter(|(_, of)| of.0 > 0)
            .map(|(class, of)| format!("{class} {:.1} %", 100.0 * share(of)))
            .collect();
        vec![Finding {
            kind: GREY_AMONG_COLOUR.name,
            severity: if tells {
                Severity::Warning
            } else {
                Severity::Note
            },
            what: format!(
                "{} among {}; shares of grey pictures: {}",
                match is_rare_grey {
                    true => counted(rare.len(), "grey picture is", "grey pictures are"),
                    false => counted(rare.len(), "coloured picture is", "coloured pictures are"),
                },
                counted(all - rare.len(), "other", "others"),
                by_class.join(", ")
            ),
            advice: match tells {
                true => {
                    "a network may learn the class from this alone; make all pictures grey, or balance them"
                }
                false => "check whether they belong to the data set",
            },
            groups: rare,
        }]
    },
};

/// If the shares of grey pictures differ by more than this, the classes can be told apart by it.
const TELLING: f64 = 0.2;
