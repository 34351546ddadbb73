//! Files in the cache.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dvm_fetch::{Address, Checked, FetchOutcome, Fetcher};
use dvm_testing::errors::says;

use crate::{Desk, HUB, named, sha256, weights};
use dvm_testing::server::{Server, Step, whole};

#[test]
fn a_fetched_file_has_its_checksum_beside_it() {
    let bytes = weights();
    let server = Server::new(move |_, _| whole(&weights(), &[]));
    let mut desk = Desk::new(&server);
    let file = named(&bytes);
    let fetched = desk.torchvision(&file).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(fetched.bytes, bytes.len() as u64);
    assert_eq!(fetched.sha256, sha256(&bytes));
    assert_eq!(fetched.checked, Checked::Name);
    assert_eq!(fetched.outcome, FetchOutcome::Fetched);
    assert_eq!(fetched.url, server.url(&format!("/{file}")));
    assert_eq!(desk.files(), [file.clone(), format!("{file}.sha256")]);
    let record = fs::read_to_string(fetched.path.with_file_name(format!("{file}.sha256")));
    assert_eq!(record.unwrap(), format!("{}  {file}\n", sha256(&bytes)));
    let asked = &server.asked()[0];
    assert_eq!(asked.header("range"), None);
    assert!(asked.header("user-agent").unwrap().starts_with("dvm/"));
}

#[test]
fn a_cached_file_is_not_fetched_again() {
    let server = Server::new(move |_, _| whole(&weights(), &[]));
    let mut desk = Desk::new(&server);
    let first = desk.fetch_named().unwrap();
    let second = desk.fetch_named().unwrap();
    assert_eq!(second.outcome, FetchOutcome::AlreadyThere);
    assert_eq!((second.path, second.sha256), (first.path, first.sha256));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let bytes = weights();
    let server = Server::new(move |_, _| whole(&weights(), &[]));
    let mut desk = Desk::new(&server);
    let file = named(&bytes);
    let path = desk.torchvision(&file).unwrap().path;
    fs::write(&path, "rotten").unwrap();
    desk.fetcher.offline = true;
    says(&desk.torchvision(&file).unwrap_err(), "is damaged");
    desk.fetcher.offline = false;
    assert_eq!(
        desk.torchvision(&file).unwrap().outcome,
        FetchOutcome::Fetched
    );
    assert_eq!(
        desk.events,
        ["start over: the file in the cache is damaged"]
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn offline_the_error_names_url_and_path() {
    let server = Server::new(|_, _| whole(&weights(), &[]));
    let mut desk = Desk::new(&server);
    desk.fetcher.offline = true;
    let why = desk.refused(&HUB);
    let place = desk.fetcher.cache.path(&HUB);
    says(&why, &place.display().to_string());
    says(&why, "/timm/tiny.in1k/resolve/main/model.safetensors");
    assert!(server.asked().is_empty());
    assert!(desk.files().is_empty());
}

#[test]
fn a_file_put_there_by_hand_is_accepted_and_recorded() {
    let bytes = weights();
    let mut desk = Desk::at("http://127.0.0.1:9");
    desk.fetcher.offline = true;
    let file = named(&bytes);
    let address = Address::Torchvision { file: &file };
    let path = desk.fetcher.cache.path(&address);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &bytes).unwrap();
    let there = desk.fetch(&address).unwrap();
    assert_eq!(
        (there.outcome, there.checked),
        (FetchOutcome::AlreadyThere, Checked::Name)
    );
    assert_eq!(desk.files(), [file.clone(), format!("{file}.sha256")]);
    fs::write(&path, "another file of that name").unwrap();
    fs::remove_file(path.with_file_name(format!("{file}.sha256"))).unwrap();
    let why = desk.refused(&address);
    assert!(
        why.contains(&format!("begin with {}", &sha256(&bytes)[..8])),
        "{why}"
    );
}

#[test]
fn two_fetches_of_the_same_file_take_turns() {
    let bytes = weights();
    let (begun, has_begun) = mpsc::channel();
    let server = Server::new(move |_, _| {
        begun.send(()).unwrap();
        let mut steps = whole(&weights(), &[]);
        steps.insert(1, Step::Wait(Duration::from_millis(200)));
        steps
    });
    let mut desk = Desk::new(&server);
    let (file, first): (String, Fetcher) = (named(&bytes), desk.fetcher.clone());
    let first = {
        let file = file.clone();
        let address = move |fetcher: Fetcher| {
            fetcher.fetch(&Address::Torchvision { file: &file }, &mut |_| {})
        };
        thread::spawn(move || address(first))
    };
    has_begun.recv().unwrap();
    let second = desk.torchvision(&file).unwrap();
    assert_eq!(
        first.join().unwrap().unwrap().outcome,
        FetchOutcome::Fetched
    );
    assert_eq!(second.outcome, FetchOutcome::AlreadyThere);
    assert_eq!(desk.events, ["waiting"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_error_names_a_cache_that_cannot_be_written() {
    let server = Server::new(|_, _| whole(&weights(), &[]));
    let mut desk = Desk::new(&server);
    let blocked = desk.folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    desk.fetcher.cache = dvm_fetch::Cache::at(&blocked);
    says(&desk.refused(&HUB), &blocked.display().to_string());
    assert!(server.asked().is_empty());
}
