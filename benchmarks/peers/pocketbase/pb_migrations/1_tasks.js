/// <reference path="../pb_data/types.d.ts" />
migrate((app) => {
  const users = app.findCollectionByNameOrId("users");
  const text = (name, max) => ({ type: "text", name, max });
  const choice = (name, values) => ({ type: "select", name, values, maxSelect: 1, required: true });
  const mine = "createdBy = @request.auth.id";

  app.save(
    new Collection({
      type: "base",
      name: "tasks",
      listRule: mine,
      viewRule: mine,
      createRule: mine,
      updateRule: mine,
      deleteRule: mine,
      fields: [
        text("workspaceId", 36),
        { ...text("title", 255), required: true },
        text("description", 100000),
        choice("status", [
          "pending",
          "in_progress",
          "paused",
          "blocked",
          "in_review",
          "completed",
          "failed",
          "cancelled",
        ]),
        choice("priority", ["low", "medium", "high", "urgent"]),
        choice("mode", ["code", "ask"]),
        text("environmentId", 36),
        text("repository", 255),
        text("branch", 255),
        text("assigneeId", 36),
        { type: "relation", name: "createdBy", collectionId: users.id, maxSelect: 1, required: true },
        { type: "json", name: "labels" },
        { type: "date", name: "dueAt" },
        { type: "date", name: "completedAt" },
        { type: "date", name: "archivedAt" },
        text("statusMessage", 1000),
        { type: "bool", name: "hasChanges" },
        { type: "json", name: "pullRequest" },
        { type: "number", name: "position" },
        { type: "json", name: "metadata" },
        { type: "number", name: "version", onlyInt: true },
        { type: "autodate", name: "createdAt", onCreate: true },
        { type: "autodate", name: "updatedAt", onCreate: true, onUpdate: true },
      ],
      indexes: ["CREATE INDEX `tasks_newest_idx` ON `tasks` (`createdBy`, `createdAt` DESC)"],
    }),
  );
});
