import { and, desc, eq } from "drizzle-orm";
import type { Caller } from "./caller.js";
import { db } from "./database.js";
import type { CreateTask, ListQuery } from "./input.js";
import { prepared, taskPage, taskTotal } from "./prepared.js";
import { tasks } from "./schema.js";

/** A page of the caller's tasks, newest first, and how many there are. */
export async function listTasks(who: Caller, query: ListQuery) {
  const { limit, page } = query;
  const [data, total] = await (prepared && !query.status ? fixed(who, query) : flexible(who, query));
  return {
    data,
    pagination: { page, limit, total, totalIsExact: true, totalPages: Math.ceil(total / limit) },
  };
}

function flexible({ workspaceId }: Caller, { limit, page, status }: ListQuery) {
  const mine = and(
    eq(tasks.workspaceId, workspaceId),
    status ? eq(tasks.status, status) : undefined,
  );
  return Promise.all([
    db
      .select()
      .from(tasks)
      .where(mine)
      .orderBy(desc(tasks.createdAt), desc(tasks.id))
      .limit(limit)
      .offset((page - 1) * limit),
    db.$count(tasks, mine),
  ]);
}

async function fixed({ workspaceId }: Caller, { limit, page }: ListQuery) {
  const [data, [counted]] = await Promise.all([
    taskPage.execute({ workspaceId, limit, offset: (page - 1) * limit }),
    taskTotal.execute({ workspaceId }),
  ]);
  return [data, counted?.total ?? 0] as const;
}

/** Stores a task of the caller's and gives it back as stored. */
export async function createTask(who: Caller, input: CreateTask) {
  const [data] = await db
    .insert(tasks)
    .values({ ...input, workspaceId: who.workspaceId, createdBy: who.userId })
    .returning();
  return { data };
}
