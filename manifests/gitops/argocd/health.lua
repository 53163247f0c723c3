-- Health of a ModelService for Argo CD. It agrees with kstatus: a problem that may recover is Progressing, a lasting one
-- is Degraded, and conditions of an older generation are ignored. A suspended ModelService is Healthy: otherwise a sync
-- with waves would wait forever.
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
  return { status = "Progressing", message = "The operator has not observed this generation yet." }
end
if stalled.status == "True" then
  -- Ready names the cause, even if Stalled only reports an exceeded deadline.
  return { status = "Degraded", message = ready.message or stalled.message }
end
if ready.status == "True" and ready.observedGeneration == generation then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = ready.message or "The operator has not written a status yet." }
