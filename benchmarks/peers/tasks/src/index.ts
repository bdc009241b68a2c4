export { caller, type Caller } from "./caller.js";
export { createTask, listTasks } from "./queries.js";
export { CreateTask, ListQuery } from "./input.js";
