// Calls to the dashboard's own API. A refusal becomes an ApiError with the problem document.

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || "Something went wrong");
    this.status = status;
    this.problem = problem;
  }
}

let csrf = "";
let onLoggedOut = () => {};

export const setCsrf = (token) => { csrf = token; };
export const whenLoggedOut = (callback) => { onLoggedOut = callback; };

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, { title: "No connection to the server. Nothing was changed." });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({ title: `The server said ${response.status}` }));
  if (response.status === 401 && path !== "/api/login") onLoggedOut();
  throw new ApiError(response.status, problem);
}

export const get = (path) => call(path);

export const post = (path, body) => call(path, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
  body: JSON.stringify(body ?? {}),
});

export const casePath = (id, action = "") => `/api/cases/${encodeURIComponent(id)}${action && `/${action}`}`;
