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
    assert_snapshot!(device.transcript(&["photo T-1 DIR/good.png --slot 近景", "photo T-1 DIR/broken.jpg --slot far"]), @r#"
    $ outlet photo T-1 DIR/good.png --slot 近景
    SHA256  near  67 bytes  DIR/good.png
    ! warning: good.png: no EXIF (messengers and albums strip it): time and place are not proven.
    ! Saved on this device: T-1: 1 file.
    [exit 0]
    $ outlet photo T-1 DIR/broken.jpg --slot far
    SHA256  far  17 bytes  DIR/broken.jpg
    ! warning: broken.jpg: too many pixels to decode safely; the original is kept.
    ! warning: broken.jpg: no preview could be made; the original is kept.
    ! warning: broken.jpg: the file is cut off: copy it again if the camera still has it.
    ! warning: broken.jpg: no EXIF (messengers and albums strip it): time and place are not proven.
    ! Saved on this device: T-1: 1 file.
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet photo T-1 DIR/report.pdf
    ! error: DIR/report.pdf was not kept
    !   because: the file is not a picture but application/pdf: attach it with `outlet attach`
    ! hint: other files go in with `outlet attach ID FILE --kind KIND`
    [exit 1]
    $ outlet photo T-1 DIR/empty.jpg
    ! error: DIR/empty.jpg was not kept
    !   because: the file is empty: it may still be copying, or the camera lost it; take the photo again
    ! hint: other files go in with `outlet attach ID FILE --kind KIND`
    [exit 1]
    $ outlet photo T-1 DIR/notes.txt
    ! error: DIR/notes.txt was not kept
    !   because: the file is not a picture but application/octet-stream: attach it with `outlet attach`
    ! hint: other files go in with `outlet attach ID FILE --kind KIND`
    [exit 1]
    $ outlet photo T-1 DIR/missing.jpg
    ! error: cannot read DIR/missing.jpg
    !   because: No such file or directory (os error 2)
    ! hint: check the path, and that the card or phone is still connected
    [exit 1]
    $ outlet photo T-1 DIR/good.png --slot selfie
    ! error: "selfie" is not a value of --slot
    ! hint: nearest: before (整治前照片), far (远景), sampling (采样工作照)
    [exit 1]
    $ outlet photo T-9 DIR/good.png
    ! error: no outlet on this device is "T-9"
    ! hint: give the UUID, at least 4 characters of its beginning, or the temporary number; `outlet list` shows all
    [exit 1]
    $ outlet photo T-1
    ! error: the following required arguments were not provided:
    !   <FILES>...
    ! 
    ! Usage: outlet photo <ID> <FILES>...
    ! 
    ! For more information, try '--help'.
    [exit 2]
    "#);
    assert_eq!(device.json("show T-1")["photos"].as_array().unwrap().len(), 0);
}

#[test]
fn of_several_files_each_is_reported() {
    let mut device = device();
    assert_snapshot!(device.transcript(&["photo T-1 DIR/good.png DIR/report.pdf DIR/missing.jpg"]), @r#"
    $ outlet photo T-1 DIR/good.png DIR/report.pdf DIR/missing.jpg
    SHA256  near  67 bytes  DIR/good.png
    not kept  DIR/report.pdf
    not kept  DIR/missing.jpg
    ! warning: good.png: no EXIF (messengers and albums strip it): time and place are not proven.
    ! Saved on this device: T-1: 1 file.
    ! error: 2 files were not kept: DIR/report.pdf was not kept: the file is not a picture but application/pdf: attach it with `outlet attach`; cannot read DIR/missing.jpg: No such file or directory (os error 2)
    ! hint: check the path, and that the card or phone is still connected
    ! hint: other files go in with `outlet attach ID FILE --kind KIND`
    ! hint: the other 1 are saved; repeat the command for these files only
    [exit 1]
    "#);
    assert_eq!(device.json("show T-1")["photos"].as_array().unwrap().len(), 1);
}

#[test]
fn the_same_photo_on_two_outlets_is_a_warning() {
    let mut device = device();
    device.does("photo T-1 DIR/good.png");
    device.does("add --lon 106.80 --lat 31.86 --number T-2");
    assert_snapshot!(device.transcript(&["photo T-2 DIR/good.png"]), @r#"
    $ outlet photo T-2 DIR/good.png
    SHA256  near  67 bytes  DIR/good.png
    ! warning: good.png: no EXIF (messengers and albums strip it): time and place are not proven.
    ! warning: good.png: the same photo is used on UUID.
    ! Saved on this device: T-2: 1 file.
    [exit 0]
    "#);
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
    ]), @r#"
    $ outlet attach T-1 DIR/report.pdf --kind lab_report --dated 2021-06-10 --number SY-0412
    SHA256  lab_report  15 bytes  DIR/report.pdf
    ! Saved on this device: T-1: 1 file.
    [exit 0]
    $ outlet attach T-1 DIR/contact.json --kind personal
    SHA256  personal  116 bytes  DIR/contact.json
    ! Saved on this device: T-1: 1 file.
    [exit 0]
    $ outlet attach T-1 DIR/list.json --kind personal
    ! error: DIR/list.json: personal data is one JSON object
    ! hint: write a JSON object such as {"contact": "…", "phone": "…"}
    [exit 1]
    $ outlet attach T-1 DIR/missing.pdf --kind other
    ! error: cannot read DIR/missing.pdf
    !   because: No such file or directory (os error 2)
    ! hint: check the path, and that the card or phone is still connected
    [exit 1]
    $ outlet attach T-1 DIR/empty.jpg --kind other
    ! error: DIR/empty.jpg is empty
    ! hint: it may still be copying, or the program that made it failed; look at it again
    [exit 1]
    $ outlet attach T-1 DIR/report.pdf --kind letter
    ! error: "letter" is not a value of --kind
    ! hint: nearest: other (其他), acceptance (验收材料), permit (排污许可证)
    ! hint: valid: lab_report (实验室检测报告), consent (设置审批或登记文件), acceptance (验收材料), connection (接管协议), archive (一口一档), plan (整治方案), designation (责任主体指定文件), permit (排污许可证), video (现场视频), personal (个人信息), other (其他)
    [exit 1]
    "#);
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
    ]), @r#"
    $ outlet withdraw T-1 SHA256 --ground 个人信息保护法第四十七条
    ! Saved on this device: T-1: withdrawn: the bytes go, the hash stays.
    [exit 0]
    $ outlet withdraw T-1 SHA256 --ground x
    ! error: no photo or attachment of this record has the hash SHA256
    ! hint: add the file first with `outlet photo` or `outlet attach`, then name the hash that it prints
    [exit 1]
    $ outlet withdraw T-1 4f2a --ground x
    ! error: invalid value '4f2a' for '<SHA256>': a file hash must be 64 hexadecimal digits, got "4f2a"
    ! 
    ! For more information, try '--help'.
    [exit 2]
    $ outlet withdraw T-1 SHA256 --ground ''
    ! error: a withdrawal names its legal ground
    ! hint: add --ground, such as --ground '个人信息保护法第四十七条'
    [exit 1]
    "#);
    assert!(!path.exists());
    assert_eq!(device.json("show T-1")["photos"][0]["state"], "withdrawn");
}
