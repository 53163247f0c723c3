-- Health of a ModelService for Argo CD. It agrees with kstatus: what heals by itself is Progressing, what does not is
-- Degraded, and nothing that was said of an older generation counts. What is suspended on purpose is Healthy: a sync with
-- waves would wait for ever for anything else.
local function condition(kind)
  for _, entry in ipairs((obj.status or {}).conditions or {}) do
    if entry.type == kind then
      return entry
    end
  end
  return {}
end

local ready, stalled = condition("Ready"), condition("Stalled")
local generation = obj.metadata.generation

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "Being deleted." }
end
if (obj.status or {}).observedGeneration ~= generation then
  return { status = "Progressing", message = "The operator has not looked at this generation yet." }
end
if stalled.status == "True" then
  -- Ready names the cause, also where Stalled says only that the rollout takes too long.
  return { status = "Degraded", message = ready.message or stalled.message }
end
if ready.status == "True" and ready.observedGeneration == generation then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = ready.message or "The operator has not said anything yet." }
