import { serve } from "@hono/node-server";
import { zValidator } from "@hono/zod-validator";
import { type Caller, CreateTask, ListQuery, caller, createTask, listTasks } from "@roost-bench/tasks";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";

const authenticated = createMiddleware<{ Variables: { caller: Caller } }>(async (c, next) => {
  const found = await caller(c.req.header("Authorization"));
  if (!found) return c.json({ error: "Unauthorized" }, 401);
  c.set("caller", found);
  await next();
});

const app = new Hono()
  .get("/api/v1/tasks", authenticated, zValidator("query", ListQuery), async (c) =>
    c.json(await listTasks(c.var.caller, c.req.valid("query"))),
  )
  .post("/api/v1/tasks", authenticated, zValidator("json", CreateTask), async (c) =>
    c.json(await createTask(c.var.caller, c.req.valid("json")), 201),
  );

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) });
