//! A first mapping for a table nobody has seen: by the names that ledgers of other cities give
//! their columns. A suggestion to be read and corrected, never used unseen.

use std::collections::BTreeMap;

use super::mapping::{Columns, Mapping, PositionColumns, Rest, StartState, fold_name};
use crate::domain::field::fact;

/// Names seen in ledgers, by fact; the first that the table has wins.
const KNOWN: [(&str, &[&str]); 27] = [
    (fact::NAME, &["排污口名称", "入河排污口名称", "排口名称", "疑似排口名称", "名称", "name"]),
    (fact::TEMPORARY_NUMBER, &["排口临时编号", "临时编号", "临时编码"]),
    (fact::NATIONAL_CODE, &["排污口编码", "国家编码", "正式编码", "排口正式编码", "统一编码"]),
    (fact::PROVINCIAL_CODE, &["省级编码", "省编码", "地方编码"]),
    (fact::COUNTY, &["县区代码", "行政区划代码", "县（区）", "区县", "县区", "所在县区", "县"]),
    (fact::TOWNSHIP, &["乡镇（街道）", "乡镇", "所在乡镇", "所属街镇", "街道", "镇街"]),
    (fact::VILLAGE, &["村（社区）", "村", "所在村", "社区"]),
    (fact::ADDRESS, &["详细地址", "地址", "位置描述", "地理位置"]),
    (fact::WATERBODY, &["受纳水体名称", "受纳水体", "河湖名称", "河流名称", "所在河流", "排入水体"]),
    (fact::BASIN, &["所属流域", "流域", "所属水系"]),
    (fact::WATER_FUNCTION_ZONE, &["水功能区名称", "水功能区", "一级水功能区"]),
    (fact::CONTROL_UNIT, &["控制单元", "所在控制单元"]),
    (fact::SECTION, &["国控断面", "下游最近国控断面", "断面"]),
    (fact::REACH, &["河段", "所在河段"]),
    (fact::BANK, &["左右岸", "岸别", "左/右岸", "所在岸"]),
    (fact::OUTLET_TYPE, &["排污口类型", "排口类型", "排污口分类", "类型", "二级分类"]),
    (fact::ENTRY_MODE, &["入河方式", "入河排放方式", "口门形态"]),
    (fact::SHAPE, &["口门形状", "形状"]),
    (fact::MATERIAL, &["管道材质", "材质"]),
    (fact::SIZE, &["口门尺寸", "尺寸", "管径", "管径（mm）"]),
    (fact::EXISTS_FROM, &["设置时间", "建成时间", "投入使用时间"]),
    (fact::SCALE, &["规模以上", "是否规模以上", "排污口规模"]),
    (fact::VOLUME_M3_PER_DAY, &["日排放量", "设计日排放量（吨）", "日均排放量（m3/d）", "批复排放量（m3/d）"]),
    (fact::VOLUME_M3_PER_YEAR, &["年排放量", "年污水排放量", "年排放量（万吨）"]),
    (fact::APPROVAL_STATUS, &["审批状态", "设置审批情况", "是否审批"]),
    (fact::PERMIT_NUMBER, &["排污许可证号", "排污许可证编号", "许可证号"]),
    (fact::REMARK, &["备注", "说明"]),
];
const IDS: [&str; 8] = ["编号", "序号", "点位编号", "疑似点位编号", "排口编号", "id", "fid", "objectid"];
/// Longitude, latitude, and the datum that such a pair is of when its name says it.
const PAIRS: [(&str, &str, Option<&str>); 9] = [
    ("经度", "纬度", None),
    ("东经", "北纬", None),
    ("lon", "lat", None),
    ("lng", "lat", None),
    ("longitude", "latitude", None),
    ("wgs84经度", "wgs84纬度", Some("wgs84")),
    ("高德经度", "高德纬度", Some("gcj02")),
    ("百度经度", "百度纬度", Some("bd09")),
    ("bd_jd", "bd_wd", Some("bd09")),
];
const DATUM_COLUMNS: [&str; 4] = ["坐标系", "坐标系统", "坐标基准", "datum"];

/// Suggests a mapping for a header. Without columns for a position the mapping has none, and
/// cannot be used before a person adds them.
#[must_use]
pub fn suggest(name: &str, header: &[String]) -> Mapping {
    let folded: Vec<String> = header.iter().map(|name| fold_name(name)).collect();
    let find = |wanted: &str| {
        let wanted = fold_name(wanted);
        folded.iter().position(|name| *name == wanted).map(|at| header[at].clone())
    };
    let first = |names: &[&str]| names.iter().find_map(|name| find(name));
    let columns: BTreeMap<String, Columns> =
        KNOWN.iter().filter_map(|(fact, names)| Some(((*fact).to_owned(), Columns::One(first(names)?)))).collect();
    let datum_column = first(&DATUM_COLUMNS);
    let positions = PAIRS
        .iter()
        .filter_map(|(lon, lat, datum)| {
            let column = datum_column.clone().filter(|_| datum.is_none());
            Some(PositionColumns {
                lon: Columns::One(find(lon)?),
                lat: Columns::One(find(lat)?),
                // Nobody knows what a bare "经度" is: a person has to say it.
                datum: datum.map(str::to_owned),
                datum_column: column,
            })
        })
        .collect();
    Mapping {
        format: 1,
        name: name.to_owned(),
        list: None,
        collection: None,
        state: StartState::Suspected,
        encoding: None,
        sheet: None,
        skip_rows: 0,
        header_rows: 1,
        rest: Rest::Drop,
        source_id: first(&IDS).map(Columns::One),
        columns,
        values: BTreeMap::new(),
        positions,
    }
}
