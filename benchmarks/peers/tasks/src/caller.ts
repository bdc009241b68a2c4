import { createHash } from "node:crypto";
import { eq } from "drizzle-orm";
import { db } from "./database.js";
import { prepared, tokenOwner } from "./prepared.js";
import { accessTokens } from "./schema.js";

export type Caller = { userId: string; workspaceId: string };

/** Who the bearer token in an Authorization header belongs to, if to anybody. */
export async function caller(authorization: string | null | undefined): Promise<Caller | undefined> {
  const token = authorization?.match(/^Bearer (.+)$/)?.[1];
  if (!token) return undefined;
  const tokenHash = createHash("sha256").update(token).digest("hex");
  if (prepared) return (await tokenOwner.execute({ tokenHash }))[0];
  const [found] = await db
    .select({ userId: accessTokens.userId, workspaceId: accessTokens.workspaceId })
    .from(accessTokens)
    .where(eq(accessTokens.tokenHash, tokenHash))
    .limit(1);
  return found;
}
