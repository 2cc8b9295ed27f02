//! Walks, inspections, suggestions, tasks: on the device alone.

use serde_json::json;

use crate::device::{Device, Level, Role};

#[test]
fn bank_walked_is_recorded_and_is_no_outlet() {
    let mut device = Device::with_outlet();
    let walk =
        "walk --waterbody 巴河 --reach 巴河城区段 --bank 左岸 --from-m 0 --to-m 1800 --on 2023-05-12 --team 张三";
    let saved = device.json(&format!("{walk} --found 3"));
    assert_eq!(saved["state"], "on_device");
    let again = device.json("walk --waterbody 恩阳河 --bank right --length-m 950 --nothing-found");
    assert_eq!(again["id"], saved["id"], "one log for each device");
    assert_eq!(device.json("list").as_array().unwrap().len(), 1, "a walk is in no list of outlets");
    let shown = device.transcript(&[
        "walk --waterbody 巴河 --bank left --found 1",
        "walk --waterbody 巴河 --bank upper --length-m 5 --nothing-found",
    ]);
    assert!(
        shown.contains("how far was walked is missing") && shown.contains("hint: add --from-m and --to-m"),
        "{shown}"
    );
    assert!(shown.contains("\"upper\" is not a value of --bank") && shown.contains("valid: left (左岸)"), "{shown}");
}

#[test]
fn an_inspection_over_the_permit_s_limit_is_bad_and_proposes_re_opening() {
    let mut device = Device::with_outlet();
    let good = device.json("inspect T-1 --discharge flowing --abnormal no --facilities yes --sign erected");
    assert_eq!(good["warnings"], json!([]));
    device.does("edit T-1 --permit-limit cod=50 --permit-limit ph=6..9");
    let bad = device.json("inspect T-1 --supervisory --result cod=61 --result ph=7 --person 张三 --person 李四");
    assert_eq!(bad["warnings"][0]["code"], "inspection_bad");
    assert!(bad["warnings"][0]["message"].as_str().unwrap().contains("cod"), "{bad}");
    let entries = device.json("show T-1")["entries"].clone();
    let last = entries.as_array().unwrap().iter().rev().find(|entry| entry["type"] == "inspection").unwrap().clone();
    assert_eq!((&last["result"], &last["exceeded"]), (&json!("bad"), &json!(["cod"])));
    let refused = device.transcript(&["inspect T-1 --supervisory", "edit T-1 --permit-limit cod"]);
    assert!(refused.contains("supervisory sampling has results") && refused.contains("is no limit"), "{refused}");
}

#[test]
fn rules_answer_offline_and_a_missing_layer_is_unknown() {
    let mut device = Device::with_outlet();
    device.does(
        "survey T-1 --on 2023-05-01 --outcome complete --rain-48h no --discharge dry --dry-weather-discharge no \
         --abnormal no --problem none_found --type urban_storm",
    );
    let report = device.json("suggest T-1 --on 2023-05-02");
    assert_eq!((&report["class"], &report["conflicting"]), (&json!("none_needed"), &json!(false)));
    let of = |rule: &str| {
        report["outcomes"].as_array().unwrap().iter().find(|one| one["rule"] == rule).unwrap()["outcome"].clone()
    };
    assert_eq!((of("R1"), of("R10"), of("R6")), (json!("unknown"), json!("suggested"), json!("off")));
    let text = device.does("suggest T-1");
    assert!(
        text.contains("a person decides") && text.contains("no layer of this kind is loaded: 饮用水水源一级保护区"),
        "{text}"
    );
}

#[test]
fn a_plan_may_not_end_after_the_statutory_date_without_an_extension() {
    let mut inspector = Device::with_outlet();
    let mut city = Device::of("王五", Role::Supervisor, Some(Level::City));
    city.receives(&inspector);
    let plan = "case plan T-1 --approve --measure standardisation --due 2024-06-30 --on 2023-06-01";
    let refused = city.transcript(&[plan]);
    assert!(
        refused.contains("after the statutory date 2023-12-31") && refused.contains("outlet case extend"),
        "{refused}"
    );
    city.does(
        "case extend T-1 --until 2024-06-30 --authority 巴中市人民政府 --document 巴府函〔2023〕88号 --on 2023-05-30",
    );
    city.does(plan);
    inspector.receives(&city);
    assert_eq!(inspector.json("tasks"), json!([]));
}
