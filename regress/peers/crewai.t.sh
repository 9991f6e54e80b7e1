# SPDX-License-Identifier: ISC
# A CrewAI agent finishing a task through the gateway.
. regress/peers/peerlib.sh
need_peer crewai
gw_start
cat > "$D/crew.py" <<'END'
import os
os.environ["OTEL_SDK_DISABLED"] = "true"
os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"
from crewai import LLM
llm = LLM(model="openai/gpt-4o-mini")
r = llm.call([{"role": "user", "content": "hello crew"}])
print(("PASS" if "hello crew" in str(r) else "FAIL") + " LLM.call through the gateway")
os._exit(0)
END
HOME=$D client "CrewAI" "$PEERS/crew/bin/python" "$D/crew.py"
settle
finish
