import { count, desc, eq, sql } from "drizzle-orm";
import { db } from "./database.js";
import { accessTokens, tasks } from "./schema.js";

// The queries of a page without filters, prepared, as Drizzle's page on performance shows it.

export const prepared = process.env.DRIZZLE_PREPARED === "1";

const mine = eq(tasks.workspaceId, sql.placeholder("workspaceId"));

export const taskPage = db
  .select()
  .from(tasks)
  .where(mine)
  .orderBy(desc(tasks.createdAt), desc(tasks.id))
  .limit(sql.placeholder("limit"))
  .offset(sql.placeholder("offset"))
  .prepare("task_page");

export const taskTotal = db.select({ total: count() }).from(tasks).where(mine).prepare("task_total");

export const tokenOwner = db
  .select({ userId: accessTokens.userId, workspaceId: accessTokens.workspaceId })
  .from(accessTokens)
  .where(eq(accessTokens.tokenHash, sql.placeholder("tokenHash")))
  .limit(1)
  .prepare("token_owner");
