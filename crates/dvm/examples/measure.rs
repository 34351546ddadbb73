//! Times one kind of work and prints JSON: what `benches/peers/compare.py` sets beside PyTorch,
//! ONNX Runtime and Captum.
//!
//! ```sh
//! cargo run --release -p dvm --example measure -- forward resnet18 16 5
//! cargo run --release -p dvm --example measure -- guided-backprop resnet18 1 5
//! cargo run --release -p dvm --example measure -- occlusion resnet18 1 1
//! cargo run --release -p dvm --example measure -- occlusion:brute-force resnet18 1 1
//! ```

use std::time::Instant;

use dvm::engine::{Network, Tensor, seeded};
use dvm::{Explain, Input, Picture};
use dvm_attribution::Scene;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, model, batch, runs] = &arguments[..] else {
        eprintln!("usage: measure forward|<method> MODEL BATCH RUNS");
        std::process::exit(2);
    };
    let batch: usize = batch.parse().expect("BATCH is a number");
    let runs: usize = runs.parse().expect("RUNS is a number");
    let architecture = dvm::models::find(model).expect("MODEL is in the zoo");
    let network = Network::new(seeded::graph((architecture.build)(1000)));
    let mut step = work_of(work, &network, architecture, batch);
    step();
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "{{\"min\": {}, \"median\": {}, \"max\": {}}}",
        seconds[0],
        seconds[seconds.len() / 2],
        seconds[seconds.len() - 1]
    );
}

fn work_of<'a>(
    work: &str,
    network: &'a Network,
    architecture: &'static dvm::models::Architecture,
    batch: usize,
) -> Box<dyn FnMut() + 'a> {
    let preprocess = (architecture.published.preprocess)();
    let (height, width) = preprocess.crop;
    if work == "forward" {
        let shape = [batch, 3, height, width];
        let values = seeded::uniform("pictures", batch * 3 * height * width, -2.0, 2.0);
        let pictures = Tensor::from_nchw(&shape, &values);
        return Box::new(move || {
            network.fused().logits(&pictures).expect("the shape fits");
        });
    }
    let colours = seeded::unit("picture", 3 * 256 * 256);
    let picture = Picture::new(
        256,
        256,
        colours.iter().map(|u| (u * 256.0) as u8).collect(),
    );
    let input: Input = preprocess.apply(picture).expect("it is valid");
    // `occlusion:brute-force` computes every covered picture as a whole.
    let (name, incremental) = match work.strip_suffix(":brute-force") {
        Some(name) => (name, false),
        None => (work, true),
    };
    let method = dvm::methods::find(name)
        .expect("the work is `forward` or a method")
        .method(&dvm::Settings::new())
        .expect("defaults are valid");
    let memory = Explain::default().memory;
    Box::new(move || {
        let scene = Scene {
            network,
            input: &input,
            preprocess: &preprocess,
            memory,
            incremental,
            progress: &|_, _| {},
        };
        method.attribute(&scene, &[3]).expect("the method works");
    })
}
