//! One description of an operation, from which it is both routed and documented (OpenAPI 3.1).
//!
//! Route and document cannot drift apart, since neither can be written without the other. What follows from the
//! kind of an operation (a token may be missing, a body may be too large, the store may be full) is declared here
//! for all; an operation adds what only it can answer.

use super::problem::{PROBLEM, Problem, answer};
use super::rest::{JSON, NoQuery, ROWS_DEFAULT, acceptable, nowhere, other_method};
use crate::admin::Scope;
use crate::page::ROWS_MAX;
use axum::Router;
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, InfoBuilder, OpenApi, Ref, RefOr, Required};
use utoipa::{PartialSchema as _, ToSchema};

/// Name of the one way to sign in.
const BEARER: &str = "bearer";

/// Operations with their handlers.
pub(super) struct Routes<S> {
    router: Router<S>,
    doc: Doc,
}

/// What all operations together need.
#[derive(Default)]
pub(super) struct Doc {
    paths: Paths,
    schemas: BTreeMap<String, RefOr<Schema>>,
    problems: BTreeSet<u16>,
}

/// The document of both surfaces, on both.
async fn document(_: NoQuery) -> axum::response::Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    answer(StatusCode::OK, JSON, DOCUMENT.get_or_init(super::openapi).clone().into_bytes())
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), doc: Doc::default() }
    }

    /// Adds an operation; `handler` must answer exactly its method.
    pub(super) fn on(mut self, operation: Operation, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(operation.path, handler);
        self.doc.add(operation);
        self
    }

    pub(super) fn router(self, state: S) -> Router {
        self.router
            .route("/v1/openapi.json", get(document))
            .fallback(nowhere)
            .method_not_allowed_fallback(other_method)
            .layer(axum::middleware::from_fn(acceptable))
            .with_state(state)
    }

    pub(super) fn doc(self) -> Doc {
        self.doc
    }
}

/// One operation.
pub(super) struct Operation {
    method: HttpMethod,
    path: &'static str,
    scope: Option<Scope>,
    operation: OperationBuilder,
    statuses: BTreeSet<u16>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// `tag` groups operations, `id` names this one for ever.
    pub(super) fn new(method: HttpMethod, path: &'static str, tag: &str, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
        // 503 and 500 are the store's, whatever is asked.
        let statuses = BTreeSet::from([400, 406, 500, 503]);
        Self { method, path, scope: None, operation, statuses, schemas: Vec::new() }
    }

    /// Needs a token of this scope.
    pub(super) fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self.statuses.extend([401, 403]);
        self
    }

    /// What else it can answer.
    pub(super) fn problems(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.extend(statuses);
        self
    }

    /// The variable part of the path.
    pub(super) fn part(self, name: &str, schema: ObjectBuilder, about: &str) -> Self {
        self.parameter(ParameterIn::Path, name, Required::True, schema, about).problems([404])
    }

    /// An optional header field.
    pub(super) fn header(self, name: &str, schema: ObjectBuilder, about: &str) -> Self {
        self.parameter(ParameterIn::Header, name, Required::False, schema, about)
    }

    /// An optional member of the query.
    pub(super) fn query(self, name: &str, schema: ObjectBuilder, about: &str) -> Self {
        self.parameter(ParameterIn::Query, name, Required::False, schema, about)
    }

    /// A member of the query without which there is nothing to ask.
    pub(super) fn required_query(self, name: &str, schema: ObjectBuilder, about: &str) -> Self {
        self.parameter(ParameterIn::Query, name, Required::True, schema, about)
    }

    /// `limit`.
    pub(super) fn limit(self) -> Self {
        let rows = number().minimum(Some(1)).maximum(Some(ROWS_MAX)).default(Some(ROWS_DEFAULT.into()));
        self.query("limit", rows, "Most rows.")
    }

    /// `limit` and `cursor`.
    pub(super) fn pages(self) -> Self {
        let cursor = text("^[A-Za-z0-9_-]{22,8192}$");
        self.limit().query("cursor", cursor, "`next` of the page before, unchanged.")
    }

    /// `If-Match`.
    pub(super) fn conditional(self) -> Self {
        let tags = text("^(\\*|\"[0-9]{1,19}\"(, ?\"[0-9]{1,19}\"){0,7})$");
        self.header("If-Match", tags, "Versions (`ETag`) that the change is meant for.").problems([412])
    }

    fn parameter(
        mut self,
        place: ParameterIn,
        name: &str,
        required: Required,
        schema: ObjectBuilder,
        about: &str,
    ) -> Self {
        let parameter: Parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(about))
            .schema(Some(schema))
            .build();
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// Takes JSON of this form.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        let content = Content::new(Some(self.refer::<T>()));
        self.body(JSON, content)
    }

    /// Takes bytes of this media type.
    pub(super) fn takes_bytes(self, media_type: &str) -> Self {
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("binary".to_owned())));
        self.body(media_type, Content::new(Some(bytes)))
    }

    fn body(mut self, media_type: &str, content: Content) -> Self {
        let body = RequestBodyBuilder::new().required(Some(Required::True)).content(media_type, content);
        self.operation = self.operation.request_body(Some(body.build()));
        self.statuses.extend([413, 415]);
        self
    }

    /// Answers JSON of this form.
    pub(super) fn gives<T: ToSchema>(self, status: u16, about: &str) -> Self {
        self.response::<T>(status, about, false)
    }

    /// Answers JSON of this form, at a version that `ETag` names.
    pub(super) fn gives_versioned<T: ToSchema>(self, status: u16, about: &str) -> Self {
        self.response::<T>(status, about, true)
    }

    fn response<T: ToSchema>(mut self, status: u16, about: &str, versioned: bool) -> Self {
        let content = Content::new(Some(self.refer::<T>()));
        let mut response = ResponseBuilder::new().description(about).content(JSON, content);
        if versioned {
            let mut tag = Header::new(text("^\"[0-9]{1,20}\"$"));
            tag.description = Some("Version of the resource.".to_owned());
            response = response.header("ETag", tag);
        }
        self.operation = self.operation.response(status.to_string(), response.build());
        if self.method != HttpMethod::Get {
            self.statuses.insert(507);
        }
        self
    }

    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }
}

impl Doc {
    fn add(&mut self, operation: Operation) {
        let Operation { method, path, scope, operation: mut built, statuses, schemas, .. } = operation;
        for status in &statuses {
            built = built
                .response(status.to_string(), RefOr::Ref(Ref::from_response_name(problem_name(*status))));
        }
        if let Some(scope) = scope {
            built = built.security(SecurityRequirement::new(BEARER, [scope.name()]));
        }
        self.schemas.extend(schemas);
        self.problems.extend(statuses);
        self.paths.add_path_operation(path, vec![method], built);
    }

    /// Both surfaces as one document.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
        self.problems.extend(other.problems);
        self
    }

    pub(super) fn finish(mut self, title: &str, about: &str) -> OpenApi {
        self.schemas.insert("Problem".to_owned(), Problem::schema());
        let mut components = ComponentsBuilder::new()
            .security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        for (name, schema) in self.schemas {
            components = components.schema(name, schema);
        }
        for status in self.problems {
            components = components.response(problem_name(status), problem(status));
        }
        let info = InfoBuilder::new().title(title).version("1").description(Some(about)).build();
        let mut document = OpenApi::new(info, self.paths);
        document.components = Some(components.build());
        document
    }
}

fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}

fn problem(status: u16) -> Response {
    let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))));
    ResponseBuilder::new().description(words.unwrap_or("Error")).content(PROBLEM, content).build()
}

/// A string of this form.
pub(super) fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

/// A string of one to `most` characters.
pub(super) fn words(most: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(most))
}

/// An integer.
pub(super) fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}
