import { z } from "zod";

const status = z.enum([
  "pending",
  "in_progress",
  "paused",
  "blocked",
  "in_review",
  "completed",
  "failed",
  "cancelled",
]);

export const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  page: z.coerce.number().int().min(1).default(1),
  status: status.optional(),
});
export type ListQuery = z.infer<typeof ListQuery>;

const instant = z.iso.datetime().transform((value) => new Date(value));

export const CreateTask = z.strictObject({
  title: z.string().min(1).max(255),
  description: z.string().max(100_000).default(""),
  status: status.default("pending"),
  priority: z.enum(["low", "medium", "high", "urgent"]).default("medium"),
  mode: z.enum(["code", "ask"]).default("code"),
  environmentId: z.uuid().nullish(),
  repository: z.string().nullish(),
  branch: z.string().nullish(),
  assigneeId: z.uuid().nullish(),
  labels: z.array(z.string().max(100)).max(100).default([]),
  dueAt: instant.nullish(),
  metadata: z.record(z.string(), z.unknown()).default({}),
});
export type CreateTask = z.infer<typeof CreateTask>;
