//! Photos and attachments.

use insta::assert_snapshot;

use crate::device::Device;

/// A picture of one grey pixel, without EXIF.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55\x00\x00\x00\nIDAT\x78\x9c\x63\x68\x00\x00\x00\x82\x00\x81\x77\xcd\x72\xb6\x00\x00\x00\x00IEND\xae\x42\x60\x82";

fn device() -> Device {
    let device = Device::with_outlet();
    let write = |name: &str, bytes: &[u8]| std::fs::write(device.path(name), bytes).unwrap();
    write("good.png", PNG);
    write("broken.jpg", b"\xff\xd8\xff\xe0 nothing more");
    write("report.pdf", b"%PDF-1.7 report");
    write("empty.jpg", b"");
    write("notes.txt", b"only words");
    device
}

#[test]
fn an_image_by_its_first_bytes_is_kept_whatever_a_decoder_thinks() {
    let mut device = device();
    assert_snapshot!(device.transcript(&["photo T-1 DIR/good.png --slot 近景", "photo T-1 DIR/broken.jpg --slot far"]), @"");
    let shown = device.json("show T-1");
    assert_eq!(shown["photos"].as_array().unwrap().len(), 2);
    assert_eq!(shown["photos"][0]["state"], "on_device");
    let kept = device.home().join("blobs");
    let name = shown["photos"][0]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read(kept.join(&name[..2]).join(&name)).unwrap(), PNG, "the original is untouched");
    assert_eq!(device.json("list")[0]["photos"], 2);
}

#[test]
fn what_is_no_picture_is_refused_and_nothing_is_half_written() {
    let mut device = device();
    assert_snapshot!(device.transcript(&[
        "photo T-1 DIR/report.pdf",
        "photo T-1 DIR/empty.jpg",
        "photo T-1 DIR/notes.txt",
        "photo T-1 DIR/missing.jpg",
        "photo T-1 DIR/good.png --slot selfie",
        "photo T-9 DIR/good.png",
        "photo T-1",
    ]), @"");
    assert_eq!(device.json("show T-1")["photos"].as_array().unwrap().len(), 0);
}

#[test]
fn of_several_files_each_is_reported() {
    let mut device = device();
    assert_snapshot!(device.transcript(&["photo T-1 DIR/good.png DIR/report.pdf DIR/missing.jpg"]), @"");
    assert_eq!(device.json("show T-1")["photos"].as_array().unwrap().len(), 1);
}

#[test]
fn the_same_photo_on_two_outlets_is_a_warning() {
    let mut device = device();
    device.does("photo T-1 DIR/good.png");
    device.does("add --lon 106.80 --lat 31.86 --number T-2");
    assert_snapshot!(device.transcript(&["photo T-2 DIR/good.png"]), @"");
}

#[test]
fn papers_are_attached_and_personal_data_are_salted() {
    let mut device = device();
    std::fs::write(device.path("contact.json"), r#"{"contact": "李某", "phone": "13900000000"}"#).unwrap();
    std::fs::write(device.path("list.json"), "[1]").unwrap();
    assert_snapshot!(device.transcript(&[
        "attach T-1 DIR/report.pdf --kind lab_report --dated 2021-06-10 --number SY-0412",
        "attach T-1 DIR/contact.json --kind personal",
        "attach T-1 DIR/list.json --kind personal",
        "attach T-1 DIR/missing.pdf --kind other",
        "attach T-1 DIR/empty.jpg --kind other",
        "attach T-1 DIR/report.pdf --kind letter",
    ]), @"");
    let entries = device.json("show T-1")["entries"].clone();
    assert_eq!(entries[0]["file_name"], "report.pdf");
    assert!(entries[1].get("file_name").is_none(), "the name of a personal file is not recorded");
    let name = entries[1]["sha256"].as_str().unwrap();
    let kept = std::fs::read_to_string(device.home().join("blobs").join(&name[..2]).join(name)).unwrap();
    let object: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(object["phone"], "13900000000");
    assert_eq!(object["salt"].as_str().unwrap().len(), 64);
}

#[test]
fn a_withdrawn_file_loses_its_bytes_and_keeps_its_hash() {
    let mut device = device();
    device.does("photo T-1 DIR/good.png");
    let name = device.json("show T-1")["photos"][0]["sha256"].as_str().unwrap().to_owned();
    let path = device.home().join("blobs").join(&name[..2]).join(&name);
    assert!(path.exists());
    let line = format!("withdraw T-1 {name} --ground 个人信息保护法第四十七条");
    assert_snapshot!(device.transcript(&[
        &line,
        "withdraw T-1 0000000000000000000000000000000000000000000000000000000000000000 --ground x",
        "withdraw T-1 4f2a --ground x",
        &format!("withdraw T-1 {name} --ground ''"),
    ]), @"");
    assert!(!path.exists());
    assert_eq!(device.json("show T-1")["photos"][0]["state"], "withdrawn");
}
