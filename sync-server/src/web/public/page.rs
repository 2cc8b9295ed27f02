//! The pages as text: a few kilobytes, no script, no font, no picture.

use std::fmt::Write as _;

use outlet_core::public::Line;

use crate::db::reports::Report;

/// Text for HTML: everything that could end a text or an attribute is written as a reference.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

const STYLE: &str = "body{font:16px/1.5 sans-serif;margin:0 auto;padding:1rem;max-width:36rem;color:#111;background:#fff}\
h1{font-size:1.25rem}dt{color:#555}dd{margin:0 0 .6rem}label{display:block;margin:.6rem 0}\
textarea,input{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}button{font:inherit;padding:.6rem 1.2rem}\
.note{background:#fff3cd;padding:.6rem}";

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=zh-CN><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta name=robots content=noindex><title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        escape(title)
    )
}

fn call(hotline: Option<&str>) -> String {
    hotline.map_or_else(String::new, |hotline| {
        let number = escape(hotline);
        format!("<p>监督电话 Hotline: <a href=\"tel:{number}\">{number}</a></p>")
    })
}

/// The page of a code: the six items where an outlet carries it, and the form.
pub(super) fn outlet(
    code: &str,
    name: Option<&str>,
    items: Option<&[Line]>,
    hotline: Option<&str>,
    wrong: Option<&str>,
) -> String {
    let mut body = format!("<h1>{}</h1><p>{}</p>", escape(name.unwrap_or("入河排污口")), escape(code));
    match items {
        None => body.push_str("<p class=note>未找到此编码的排污口。 No outlet has this code.</p>"),
        Some(items) => {
            body.push_str("<dl>");
            for line in items {
                let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escape(line.label), escape(&line.text));
            }
            body.push_str("</dl>");
        }
    }
    body.push_str(&call(hotline));
    if let Some(wrong) = wrong {
        let _ = write!(body, "<p class=note>{}</p>", escape(wrong));
    }
    let _ = write!(
        body,
        "<h2>举报问题 Report a problem</h2><p>无需注册，请勿填写姓名、电话等个人信息。 No account; please no names or phone numbers.</p>\
         <form method=post action=\"/p/{}/report\" enctype=multipart/form-data>\
         <label>情况描述 What did you see?<textarea name=text rows=5 maxlength=2000 required></textarea></label>\
         <label>照片 Photo<input type=file name=photo accept=\"image/jpeg,image/png\"></label>\
         <label>位置 Place (经度,纬度 lon,lat)<input name=place inputmode=decimal placeholder=\"106.7692,31.8510\"></label>\
         <button>提交 Send</button></form>",
        escape(code)
    );
    frame(code, &body)
}

/// The state of a report.
pub(super) fn report(report: &Report, hotline: Option<&str>) -> String {
    let state = match report.state.as_str() {
        "new" => "待处理 not read yet",
        "answered" => "已答复 answered",
        "promoted" => "已转核查 being looked into",
        _ => "已办结 closed",
    };
    let mut body = format!(
        "<h1>举报 {}</h1><p>请记下此编号，以便查询。 Keep this number.</p><dl><dt>状态</dt><dd>{state}</dd><dt>日期</dt><dd>{}</dd>",
        escape(&report.number),
        report.at.day_in_shanghai(),
    );
    if let Some(answer) = &report.answer {
        let _ = write!(body, "<dt>答复 Answer</dt><dd>{}</dd>", escape(answer));
    }
    body.push_str("</dl>");
    body.push_str(&call(hotline));
    frame(&report.number, &body)
}

/// A page that only says something.
pub(super) fn message(text: &str, hotline: Option<&str>) -> String {
    frame("提示", &format!("<p class=note>{}</p>{}", escape(text), call(hotline)))
}
