import { CreateTask, ListQuery, caller, createTask, listTasks } from "@roost-bench/tasks";
import { type NextRequest, NextResponse } from "next/server";
import { z } from "zod";

const unauthorized = () => NextResponse.json({ error: "Unauthorized" }, { status: 401 });
const invalid = (error: z.ZodError) =>
  NextResponse.json({ error: z.flattenError(error) }, { status: 400 });

export async function GET(request: NextRequest) {
  const who = await caller(request.headers.get("authorization"));
  if (!who) return unauthorized();
  const query = ListQuery.safeParse(Object.fromEntries(request.nextUrl.searchParams));
  if (!query.success) return invalid(query.error);
  return NextResponse.json(await listTasks(who, query.data));
}

export async function POST(request: NextRequest) {
  const who = await caller(request.headers.get("authorization"));
  if (!who) return unauthorized();
  const body = CreateTask.safeParse(await request.json());
  if (!body.success) return invalid(body.error);
  return NextResponse.json(await createTask(who, body.data), { status: 201 });
}
