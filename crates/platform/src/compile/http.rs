//! The section `http`: requests with their places for values checked, parts resolved.

use super::{Problem, compile_part, line, patterns};
use crate::definition::{PartDefinition, Text};
use crate::http::form::{Auth, HttpForm, HttpPartForm, PlaceForm, RequestForm, Scheme};
use crate::http::{Escape, Http, Place, Request, Template, Variable};
use crate::platform::Part;
use std::collections::BTreeMap;

/// Headers that belong to the transport.
const RESERVED: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "upgrade",
    "te",
    "trailer",
];

/// Where a request stands, and so which values it can have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Login,
    Command,
    Part,
    Logout,
}

pub(super) fn compile_http(form: HttpForm, cli: &[Part]) -> Result<Http, Problem> {
    let compiler = Compiler {
        base: form.base.as_ref().map_or("", |base| base.value.as_str()),
        has_token: form.login.is_some(),
    };
    let mut headers = Vec::new();
    compiler.headers(&form.headers, Role::Part, &mut headers)?;
    let optional = |request: Option<&RequestForm>, role| {
        request.map(|request| compiler.request(request, role)).transpose()
    };
    let (login, command) =
        (optional(form.login.as_ref(), Role::Login)?, optional(form.command.as_ref(), Role::Command)?);
    let parts = match form.parts {
        Some(parts) => {
            let has_command = command.is_some();
            parts.iter().map(|part| compiler.part(part, has_command)).collect::<Result<Vec<_>, Problem>>()?
        }
        None if command.is_none() => {
            return Err((
                0,
                "http: parts expected, or a command that brings those of the command line".to_owned(),
            ));
        }
        None if cli.iter().any(|part| part.file.is_some() && !part.optional) => {
            return Err((0, "http: parts expected, because files are not fetched over HTTP".to_owned()));
        }
        None if cli.iter().any(|part| part.for_each.is_some()) => {
            return Err((0, "http: parts expected, because contexts are not entered over HTTP".to_owned()));
        }
        None => cli.iter().filter(|part| part.file.is_none()).cloned().collect(),
    };
    if parts.is_empty() {
        return Err((0, "http: expected at least one part".to_owned()));
    }
    Ok(Http {
        tls: form.scheme == Scheme::Https,
        port: form.port,
        parts: parts.into(),
        basic: form.auth == Auth::Basic,
        headers,
        login,
        command,
        logout: optional(form.logout.as_ref(), Role::Logout)?,
        rejected: patterns(&form.rejected)?,
    })
}

struct Compiler<'a> {
    base: &'a str,
    has_token: bool,
}

impl Compiler<'_> {
    fn request(&self, form: &RequestForm, role: Role) -> Result<Request, Problem> {
        let at = line(&form.path);
        let target = self.target(form)?;
        let mut headers = Vec::new();
        let body = body(form, &mut headers)?;
        self.headers(&form.headers, role, &mut headers)?;
        let answer = form.answer.as_ref().map(|place| compile_place(place, role, at)).transpose()?;
        let request =
            Request { method: form.method, target, headers, body, answer: answer.unwrap_or_default() };
        let variables: Vec<Variable> = request.variables().collect();
        variables.iter().try_for_each(|variable| self.allowed(*variable, role, at))?;
        if role == Role::Command && !variables.contains(&Variable::Command) {
            return Err((at, "http: nothing in the request for a command has {command} in it".to_owned()));
        }
        if role == Role::Login && matches!(request.answer, Place::Body) {
            return Err((at, "http: the login's answer needs a place where the token is".to_owned()));
        }
        Ok(request)
    }

    /// Path and query; they are written to logs everywhere, so no secret may stand there.
    fn target(&self, form: &RequestForm) -> Result<Template, Problem> {
        let at = line(&form.path);
        let mut target = Template::default();
        let push =
            |target: &mut Template, text: &str, escape| target.push(text, escape).map_err(|what| (at, what));
        push(&mut target, self.base, Escape::Path)?;
        push(&mut target, &form.path.value, Escape::Path)?;
        let full = format!("{}{}", self.base, form.path.value);
        if !full.starts_with('/')
            || full.starts_with("//")
            || !full.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
        {
            return Err((at, format!("path: '{full}' is none: it starts with one '/' and has no blanks")));
        }
        let mut mark = if full.contains('?') { "&" } else { "?" };
        for (name, value) in &form.query {
            target.raw(mark);
            push(&mut target, name, Escape::Form)?;
            target.raw("=");
            push(&mut target, &value.value, Escape::Form)?;
            mark = "&";
        }
        let secret = target.variables().find(|variable| variable.is_secret());
        match secret {
            Some(secret) => {
                Err((at, format!("path: {secret} may not stand in a URL, servers write those down")))
            }
            None => Ok(target),
        }
    }

    fn headers(
        &self,
        form: &BTreeMap<String, Text>,
        role: Role,
        headers: &mut Vec<(String, Template)>,
    ) -> Result<(), Problem> {
        for (name, value) in form {
            let at = line(value);
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty()
                || !name.bytes().all(token)
                || RESERVED.contains(&name.to_ascii_lowercase().as_str())
            {
                return Err((at, format!("headers: '{name}' cannot be given here")));
            }
            let mut template = Template::default();
            template.push(&value.value, Escape::Header).map_err(|what| (at, what))?;
            if !template.literals().flatten().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
                return Err((at, format!("headers: '{}' cannot be a header's value", value.value)));
            }
            template.variables().try_for_each(|variable| self.allowed(variable, role, at))?;
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), template));
        }
        Ok(())
    }

    fn allowed(&self, variable: Variable, role: Role, at: u64) -> Result<(), Problem> {
        match variable {
            Variable::Token if role == Role::Login || !self.has_token => {
                Err((at, "http: there is no {token} here, because no login has brought one".to_owned()))
            }
            Variable::Command if role != Role::Command => {
                Err((at, "http: {command} has a meaning in `http: command` only".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn part(&self, form: &HttpPartForm, has_command: bool) -> Result<Part, Problem> {
        let at = line(&form.name);
        let wrong = |what: &str| Err((at, format!("part '{}': {what}", form.name.value)));
        if form.command.is_none() == form.requests.is_empty() {
            return wrong("either a command or requests are expected");
        }
        if !form.requests.is_empty() && !form.alternatives.is_empty() {
            return wrong("alternatives are those of a command");
        }
        if form.command.is_some() && !has_command {
            return wrong("`http: command` is expected, which says how a command is run");
        }
        let written = PartDefinition {
            name: form.name.clone(),
            command: Some(form.command.clone().unwrap_or_else(|| form.name.value.clone())),
            alternatives: form.alternatives.clone(),
            kind: form.kind,
            optional: form.optional,
            for_each: None,
            end: form.end.clone(),
            balanced_braces: form.balanced_braces,
            timeout_seconds: form.timeout_seconds,
            file: None,
            compare: form.compare,
        };
        let requests = form.requests.iter().map(|request| self.request(request, Role::Part));
        let requests = requests.collect::<Result<Vec<_>, Problem>>()?;
        Ok(Part { requests, ..compile_part(written, &[])? })
    }
}

/// At most one kind of body, and the header that names it.
fn body(form: &RequestForm, headers: &mut Vec<(String, Template)>) -> Result<Option<Template>, Problem> {
    let at = line(&form.path);
    let mut body = Template::default();
    let wrong = |what: String| (at, what);
    let kind = match (&form.json, &form.form, &form.xml) {
        (None, None, None) => return Ok(None),
        (Some(value), None, None) => {
            body.push(&value.to_string(), Escape::Json).map_err(wrong)?;
            "application/json"
        }
        (None, Some(fields), None) => {
            for (at, (name, value)) in fields.iter().enumerate() {
                body.raw(if at > 0 { "&" } else { "" });
                body.push(name, Escape::Form).map_err(wrong)?;
                body.raw("=");
                body.push(&value.value, Escape::Form).map_err(|what| (line(value), what))?;
            }
            "application/x-www-form-urlencoded"
        }
        (None, None, Some(text)) => {
            body.push(&text.value, Escape::Xml).map_err(|what| (line(text), what))?;
            "application/xml"
        }
        _ => return Err((at, "a request has one body: json, form or xml".to_owned())),
    };
    let mut content_type = Template::default();
    content_type.raw(kind);
    headers.push(("Content-Type".to_owned(), content_type));
    Ok(Some(body))
}

fn compile_place(form: &PlaceForm, role: Role, at: u64) -> Result<Place, Problem> {
    let given: Vec<&Text> =
        [&form.json, &form.xml, &form.header, &form.cookie].into_iter().flatten().collect();
    let [text] = given.as_slice() else {
        return Err((at, "answer: exactly one of json, xml, header and cookie is expected".to_owned()));
    };
    let (at, value) = (line(text), text.value.as_str());
    if role != Role::Login && (form.header.is_some() || form.cookie.is_some()) {
        return Err((at, "answer: only a login's token stands in a header".to_owned()));
    }
    if form.json.is_some() {
        return pointer(value)
            .map(Place::Json)
            .ok_or_else(|| (at, format!("answer: '{value}' is no JSON pointer")));
    }
    if value.is_empty() {
        return Err((at, "answer: a name is expected".to_owned()));
    }
    if form.xml.is_some() {
        let path: Vec<String> = value.split('/').map(str::to_owned).collect();
        return match path.iter().any(|name| name.is_empty() || name.contains([' ', '[', '@', '*'])) {
            true => {
                Err((at, format!("answer: '{value}' is no path: names of elements with '/' between them")))
            }
            false => Ok(Place::Xml(path)),
        };
    }
    Ok(if form.header.is_some() { Place::Header(value.to_owned()) } else { Place::Cookie(value.to_owned()) })
}

/// RFC 6901, section 4: `~1` stands for `/`, `~0` for `~`. The empty pointer is the document.
fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let steps = text.strip_prefix('/')?.split('/');
    Some(steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}
