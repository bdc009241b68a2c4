import { sql } from "drizzle-orm";
import {
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";

const instant = (name: string) => timestamp(name, { withTimezone: true });

export const tasks = pgTable(
  "tasks",
  {
    id: uuid("id").primaryKey().default(sql`uuidv7()`),
    workspaceId: uuid("workspace_id").notNull(),
    title: text("title").notNull(),
    description: text("description").notNull().default(""),
    status: text("status").notNull().default("pending"),
    priority: text("priority").notNull().default("medium"),
    mode: text("mode").notNull().default("code"),
    environmentId: uuid("environment_id"),
    repository: text("repository"),
    branch: text("branch"),
    assigneeId: uuid("assignee_id"),
    createdBy: uuid("created_by"),
    labels: text("labels").array().notNull().default([]),
    dueAt: instant("due_at"),
    completedAt: instant("completed_at"),
    archivedAt: instant("archived_at"),
    statusMessage: text("status_message"),
    hasChanges: boolean("has_changes").notNull().default(false),
    pullRequest: jsonb("pull_request"),
    position: doublePrecision("position"),
    metadata: jsonb("metadata").notNull().default({}),
    version: integer("version").notNull().default(1),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  (table) => [
    index("tasks_newest_idx").on(table.workspaceId, table.createdAt.desc(), table.id.desc()),
  ],
);

export const accessTokens = pgTable("access_tokens", {
  tokenHash: text("token_hash").primaryKey(),
  userId: uuid("user_id").notNull(),
  workspaceId: uuid("workspace_id").notNull(),
});
