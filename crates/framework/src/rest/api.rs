//! A service's own resources: what answers at a path, and what that is, said in one place.

use axum::Router;
use axum::routing::MethodRouter;

use crate::Handle;

/// One resource: method, path, what it does.
pub type Resource = (&'static str, &'static str, &'static str);

/// Resources of a service, beside those that every scheduler serves.
///
/// ```
/// # use axum::{Json, extract::State, routing::get}; use cairn_framework::{Handle, rest::Api};
/// async fn ensemble(State(handle): State<Handle>) -> Json<usize> {
///     Json(handle.published().view.target.len())
/// }
/// let api = Api::default().at("/v1/ensemble", get(ensemble), &[("get", "How many servers there are")]);
/// assert_eq!(api.resources()[0].1, "/v1/ensemble");
/// ```
#[derive(Default)]
pub struct Api {
    routes: Router<Handle>,
    own: Option<Box<dyn FnOnce(Handle) -> Router>>,
    resources: Vec<Resource>,
}

impl Api {
    /// The same with what answers at `path`, and what each method does there, for `/openapi.json`.
    #[must_use]
    pub fn at(
        mut self,
        path: &'static str,
        methods: MethodRouter<Handle>,
        does: &[(&'static str, &'static str)],
    ) -> Self {
        self.routes = self.routes.route(path, methods);
        self.resources.extend(does.iter().map(|(method, summary)| (*method, path, *summary)));
        self
    }

    /// Resources whose handlers need more than a handle.
    pub fn of(resources: &[Resource], routes: impl FnOnce(Handle) -> Router + 'static) -> Self {
        Self { own: Some(Box::new(routes)), resources: resources.to_vec(), ..Self::default() }
    }

    /// What they are.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// All of them.
    pub(crate) fn router(self, handle: Handle) -> Router {
        let own = self.own.map_or_else(Router::new, |own| own(handle.clone()));
        self.routes.with_state(handle).merge(own)
    }
}
