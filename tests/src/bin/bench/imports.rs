//! Import of 200,000 suspected points by the real server: time and peak memory of the process.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use outlet_tests::figures::Figures;
use outlet_tests::process::{Server, binary};

const ROWS: usize = 200_000;
/// Columns beside those that are used, as such tables have.
const FILLERS: usize = 48;
const MAPPING: &str = r#"
format = 1
name = "bench"
source_id = "编号"
[columns]
name = "疑似排口名称"
county = "区县"
township = "乡镇"
waterbody = "河流"
bank = "岸别"
outlet_type = "类型"
remark = "备注"
[[position]]
lon = "经度"
lat = "纬度"
datum_column = "坐标系"
[[position]]
lon = "bd_jd"
lat = "bd_wd"
datum = "bd09"
"#;

/// Writes the table and imports it.
pub(crate) fn measure(figures: &mut Figures, folder: &Path) {
    let server = Server::init(folder.join("import-server"));
    let (table, mapping) = (folder.join("points.csv"), folder.join("points.toml"));
    write(&table).expect("the table can be written");
    std::fs::write(&mapping, MAPPING).expect("the mapping can be written");
    let before = outlet_tests::figures::cpu_millis_of(std::process::id(), 2);
    let started = Instant::now();
    let mut child = std::process::Command::new(binary("outlet-server"))
        .args(["import", "run"])
        .arg(&table)
        .args(["--json", "--mapping"])
        .arg(&mapping)
        .arg("--data")
        .arg(&server.data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let mut peak_kib = 0.0_f64;
    let status = loop {
        peak_kib = peak_kib.max(resident_peak(child.id()).unwrap_or(0.0));
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let wall = started.elapsed().as_secs_f64();
    assert!(status.success(), "the import went through");
    let cpu = (outlet_tests::figures::cpu_millis_of(std::process::id(), 2) - before) / 1000.0;
    figures.at_most("import of 200,000 points, 60 columns", wall, "s", 60.0, "wall");
    figures.at_most("import of 200,000 points, CPU on 2 threads", cpu / 2.0, "s", 60.0, "CPU / 2");
    figures.at_most("import of 200,000 points, peak memory", peak_kib / 1024.0, "MiB", 256.0, "VmHWM");
}

/// Highest resident size so far, KiB.
fn resident_peak(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let fillers: Vec<String> = (1..=FILLERS).map(|number| format!("附加列{number}")).collect();
    writeln!(
        file,
        "编号,疑似排口名称,区县,乡镇,河流,岸别,类型,备注,经度,纬度,坐标系,bd_jd,bd_wd,{}",
        fillers.join(",")
    )?;
    let filler = vec!["若干文字"; FILLERS].join(",");
    for row in 0..ROWS {
        let (lon, lat) = (106.4 + (row % 1_000) as f64 * 0.0012, 31.5 + (row / 1_000) as f64 * 0.005);
        let (county, township) = [("511902", "东城街道"), ("511903", "柳林镇")][row % 2];
        let datum = ["WGS84", "CGCS2000", "高德"][row % 3];
        writeln!(
            file,
            "P{row},疑似点{row},{county},{township},巴河,左岸,城镇雨洪排口,第{row}号,{lon:.6},{lat:.6},{datum},,,{filler}"
        )?;
    }
    file.flush()
}
