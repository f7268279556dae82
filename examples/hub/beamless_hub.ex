defmodule BeamlessHub do
  @moduledoc """
  The hub's side of boxes that run the agent of beamless: a process that collects what they publish, and knows which of them are late or away.

  Copy this file into an application, and put `BeamlessHub` or `{BeamlessHub, every: 10_000}` among the children of a supervisor. It takes nothing
  but Elixir, from 1.10 on, and OTP 23. `beamless_hub.erl` is the same in Erlang.

  A box publishes to the process by its registered name, `:collector` unless the option `:name` says another:

      [[publish]]
      file = "/sys/class/thermal/thermal_zone0/temp"
      every = "10s"
      to = "collector"
      node = "hub@nuc3"

  What is kept is bounded by the options, and lost with the process: the last reading of each label comes back with the next one.
  """
  use GenServer

  @typedoc """
  * `:name`: what the process is registered as. There is one on a node: the functions of this module find it by themselves.
  * `:boxes`: those that are to be there. They are away until they come; others are known from their first message on.
  * `:every`: after how many milliseconds a reading is usual, for all labels or, as a map, for each; where it does not say, that is learned.
  * `:check`: after how many milliseconds it looks for those that are late. It is also the shortest silence that makes one late.
  * `:max_boxes`, `:max_labels`, `:max_value`: how many boxes are kept, how many labels and alarms of each, and how many bytes a value has in the
    external format. What is beyond is dropped, which is logged once; where there is no room for one that is connected, that which
    has been away for longest makes some, unless it is one of `:boxes`.
  """
  @type option ::
          {:name, atom}
          | {:boxes, [node]}
          | {:every, :learned | pos_integer | %{optional(label) => pos_integer}}
          | {:check, pos_integer}
          | {:max_boxes, non_neg_integer}
          | {:max_labels, non_neg_integer}
          | {:max_value, non_neg_integer}
  @type label :: binary
  @typedoc "Milliseconds since 1970, by the clock of whoever says it."
  @type time :: integer
  @typedoc """
  `:ms` is when the box took it; `:undefined` if it sent it before its clock was set. `:received` is when it came here. `:number` is `:undefined` from an
  agent that does not number them.
  """
  @type reading :: %{value: term, ms: time | :undefined, received: time, number: non_neg_integer | :undefined}
  @typedoc "What an agent raised, and has not cleared: what it is, and of which node, program or reading."
  @type alarm :: %{what: atom, name: binary, text: binary, ms: time | :undefined}
  @typedoc "`:away` is not connected. `:late` is connected, and a reading is not there after three times its usual interval."
  @type state :: :up | :late | :away
  @typedoc "`:late` has the labels whose readings are. `:repeats` is how many readings came again, and were dropped."
  @type box :: %{
          state: state,
          since: time,
          late: [label],
          received: time | :undefined,
          labels: [label],
          alarms: [alarm],
          repeats: non_neg_integer
        }
  @typedoc "What a subscriber is told."
  @type event ::
          {:reading, node, label, time | :undefined, value :: term}
          | {:box, node, state}
          | {:health, node, what :: atom, :raised | :cleared, name :: binary, text :: binary, time | :undefined}

  @defaults %{
    name: :collector,
    boxes: [],
    every: :learned,
    check: 1000,
    max_boxes: 10_000,
    max_labels: 64,
    max_value: 65_536
  }
  # the number of a box's first start is below this, unless its clock was set
  @first_start 0x2000000
  # from how many intervals the usual one is learned: few, so that one that was odd is soon forgotten
  @gaps 5
  # how many of its usual intervals make a reading late
  @late 3
  # labels, and the texts of alarms, in bytes
  @longest 1024
  # no time and no number is larger; it also bounds what they take
  @largest 0x1000000000000000

  defguardp is_text(text) when is_binary(text) and byte_size(text) <= @longest
  defguardp is_number_of(number) when is_integer(number) and number >= 0 and number < @largest
  defguardp is_time(ms) when ms == :undefined or is_number_of(ms)

  @doc "Starts the process."
  @spec start_link([option] | %{optional(atom) => term}) :: GenServer.on_start()
  def start_link(options \\ []) do
    options = Map.merge(@defaults, Map.new(options))
    GenServer.start_link(__MODULE__, options, name: options.name)
  end

  @doc "Returns the last reading of each box and label."
  @spec last() :: %{optional(node) => %{optional(label) => reading}}
  def last, do: ask(:last)

  @doc "Returns the last reading of each label of a box: none if it is not known."
  @spec last(node) :: %{optional(label) => reading}
  def last(box), do: ask({:last, box})

  @doc "Returns the last reading of a box and label."
  @spec last(node, label) :: {:ok, reading} | :error
  def last(box, label), do: Map.fetch(last(box), label)

  @doc "Returns how the boxes are."
  @spec boxes() :: %{optional(node) => box}
  def boxes, do: ask(:boxes)

  @doc "Forgets a box that will not come back. If it does, it is a new one."
  @spec forget(node) :: :ok
  def forget(box), do: ask({:forget, box})

  @doc """
  Has a process told what comes, once, until it ends: see `t:event/0`. If it is on another node, it misses what its connection has no room for.
  """
  @spec subscribe(pid) :: :ok
  def subscribe(pid \\ self()) when is_pid(pid), do: ask({:subscribe, pid})

  @doc "Ends that. What is under way may still come."
  @spec unsubscribe(pid) :: :ok
  def unsubscribe(pid) when is_pid(pid), do: ask({:unsubscribe, pid})

  @doc """
  Calls a function on all boxes at once, and waits for so many milliseconds. A box that is away is not dialled: `{:error, :noconnection}`.
  What a box does not serve is `{:error, :undef}`, and what it does not answer in time `{:error, :timeout}`.
  """
  @spec call_all(module, atom, [term], timeout) :: [{node, {:ok, term} | {:error, term}}]
  def call_all(m, f, a, timeout \\ 5000) do
    {connected, away} = ask(:connected)
    results = Enum.zip(connected, :erpc.multicall(connected, m, f, a, timeout))
    Enum.sort(for({box, r} <- results, do: {box, result(r)}) ++ for(box <- away, do: {box, {:error, :noconnection}}))
  end

  defp result({:ok, value}), do: {:ok, value}
  defp result({:error, {:exception, reason, _stack}}), do: {:error, reason}
  defp result({:error, {:erpc, reason}}), do: {:error, reason}
  defp result(exit_or_throw), do: {:error, exit_or_throw}

  @doc "Returns what a box says of itself: memory, disk, temperatures, programs, what waits. One that is away is not dialled."
  @spec info(node) :: {:ok, %{optional(atom) => term}} | {:error, term}
  def info(box) do
    if box in Node.list(:connected) do
      try do
        case GenServer.call({:system, box}, :info) do
          %{} = info -> {:ok, info}
          {:error, reason} -> {:error, reason}
        end
      catch
        :exit, {reason, _call} -> {:error, reason}
      end
    else
      {:error, :noconnection}
    end
  end

  defp ask(request), do: GenServer.call(:persistent_term.get(__MODULE__, :collector), request)

  # The process

  @impl true
  def init(%{name: name, boxes: expected} = options) do
    case Map.keys(Map.drop(options, Map.keys(@defaults))) do
      [] ->
        :persistent_term.put(__MODULE__, name)
        # boxes are hidden nodes, of which the plain form says nothing
        :ok = :net_kernel.monitor_nodes(true, node_type: :all)
        boxes = Map.new(expected, &{&1, new_box(&1)})
        {:ok, check_later(%{options: options, boxes: boxes, subscribers: %{}, said: %{}, timer: nil})}

      unknown ->
        {:stop, {:unknown_options, unknown}}
    end
  end

  @impl true
  def handle_call(:last, _from, state) do
    {:reply, Map.new(state.boxes, fn {box, entry} -> {box, readings(entry)} end), state}
  end

  def handle_call({:last, box}, _from, state) do
    case state.boxes do
      %{^box => entry} -> {:reply, readings(entry), state}
      %{} -> {:reply, %{}, state}
    end
  end

  def handle_call(:boxes, _from, state) do
    {:reply, Map.new(state.boxes, fn {box, entry} -> {box, row(entry)} end), state}
  end

  def handle_call(:connected, _from, state) do
    {connected, away} = Enum.split_with(state.boxes, fn {_box, entry} -> entry.connected end)
    {:reply, {for({box, _} <- connected, do: box), for({box, _} <- away, do: box)}, state}
  end

  def handle_call({:forget, box}, _from, state), do: {:reply, :ok, drop_box(box, state)}

  def handle_call({:subscribe, pid}, _from, state) when is_pid(pid) do
    # put_new_lazy, for a second monitor would stay
    {:reply, :ok, %{state | subscribers: Map.put_new_lazy(state.subscribers, pid, fn -> Process.monitor(pid) end)}}
  end

  def handle_call({:unsubscribe, pid}, _from, state) do
    case Map.pop(state.subscribers, pid) do
      {nil, _} ->
        {:reply, :ok, state}

      {ref, others} ->
        Process.demonitor(ref, [:flush])
        {:reply, :ok, %{state | subscribers: others}}
    end
  end

  def handle_call(_request, _from, state), do: {:reply, {:error, :unknown_request}, state}

  @impl true
  def handle_cast(_request, state), do: {:noreply, stranger(state)}

  @impl true
  def handle_info({:publish, box, label, ms, value}, state) when is_atom(box) and is_text(label) and is_time(ms) do
    {:noreply, take(box, label, ms, value, :undefined, state)}
  end

  def handle_info({:publish, box, label, ms, value, number}, state)
      when is_atom(box) and is_text(label) and is_time(ms) and is_number_of(number) do
    {:noreply, take(box, label, ms, value, number, state)}
  end

  def handle_info({:health, box, what, how, name, text, ms}, state)
      when is_atom(box) and is_atom(what) and how in [:raised, :cleared] and is_text(name) and is_text(text) and is_time(ms) do
    {:noreply, alarm(box, how, %{what: what, name: name, text: text, ms: ms}, state)}
  end

  def handle_info({:nodeup, box, _}, state) do
    case state.boxes do
      %{^box => entry} ->
        # it tells anew what is raised, but not what was cleared meanwhile
        for {_, alarm} <- entry.alarms, do: tell({:health, box, alarm.what, :cleared, alarm.name, alarm.text, :undefined}, state)
        {:noreply, put_box(box, %{entry | connected: true, quiet: monotonic(), alarms: %{}}, state)}

      %{} ->
        {:noreply, state}
    end
  end

  def handle_info({:nodedown, box, _}, state) do
    case state.boxes do
      %{^box => entry} ->
        # it may be another start of the box that comes back
        anew = Map.new(entry.labels, fn {label, kept} -> {label, %{kept | anew: true}} end)
        {:noreply, put_box(box, %{entry | connected: false, late: [], labels: anew}, state)}

      %{} ->
        {:noreply, state}
    end
  end

  def handle_info({:DOWN, ref, :process, pid, _}, state) do
    case state.subscribers do
      %{^pid => ^ref} -> {:noreply, %{state | subscribers: Map.delete(state.subscribers, pid)}}
      %{} -> {:noreply, state}
    end
  end

  # with its reference, so that nobody else starts a second clock
  def handle_info({:timeout, timer, :check}, %{timer: timer} = state) do
    now = monotonic()
    {:noreply, check_later(Enum.reduce(state.boxes, state, fn {box, entry}, then -> check(box, entry, now, then) end))}
  end

  def handle_info(_message, state), do: {:noreply, stranger(state)}

  # Readings

  defp take(box, label, ms, value, number, state) do
    case find_box(box, state) do
      {:ok, entry, state} ->
        old = Map.get(entry.labels, label)
        %{max_labels: max, max_value: max_value} = state.options

        cond do
          repeat?(number, ms, old) ->
            %{state | boxes: %{state.boxes | box => %{entry | repeats: entry.repeats + 1}}}

          :erlang.external_size(value) > max_value ->
            once({:value, box}, box, "#{box}: a value of #{label} has more than #{max_value} bytes, and is dropped", state)

          old == nil and map_size(entry.labels) >= max ->
            once({:labels, box}, box, "#{box}: it has more than #{max} labels, and #{label} is dropped", state)

          true ->
            kept = keep(ms, value, number, old)
            labels = Map.put(entry.labels, label, kept)
            new = %{entry | labels: labels, late: List.delete(entry.late, label), received: kept.received}
            tell({:reading, box, label, ms, value}, put_box(box, new, state))
        end

      :full ->
        full(box, state)
    end
  end

  # The readings of a label come in order, some of them again: those which the box does not know to have arrived. Their numbers grow from
  # one start of the box to the next if it has a folder for its state, or a clock. If it has neither, it counts from the same number
  # again. Then it is better to have a reading twice than never.
  defp repeat?(number, ms, %{number: last} = old) when is_integer(number) and is_integer(last) and number <= last do
    later? = is_integer(ms) and is_integer(old.ms) and ms > old.ms
    not (old.anew and (later? or number < @first_start))
  end

  defp repeat?(_number, _ms, _old), do: false

  defp keep(ms, value, number, old) do
    new = %{value: value, ms: ms, received: now_ms(), number: number, at: monotonic(), anew: false, gaps: []}
    if old, do: %{new | gaps: Enum.take(gap(new, old) ++ old.gaps, @gaps)}, else: new
  end

  # By the box's clock where it is set, for what waited while the hub was away comes all at once. A clock that was set back says nothing.
  defp gap(%{ms: ms}, %{ms: before}) when is_integer(ms) and is_integer(before) do
    if ms > before, do: [ms - before], else: []
  end

  defp gap(%{at: at}, %{at: before}), do: [at - before]

  defp readings(entry) do
    Map.new(entry.labels, fn {label, kept} -> {label, Map.take(kept, [:value, :ms, :received, :number])} end)
  end

  # Boxes

  # its entry: a new one, if there is room for it
  defp find_box(box, state) do
    with :error <- Map.fetch(state.boxes, box), {:ok, state} <- make_room(box, state) do
      entry = new_box(box)
      {:ok, entry, changed(box, entry, %{state | boxes: Map.put(state.boxes, box, entry)})}
    else
      {:ok, entry} -> {:ok, entry, state}
      :full -> :full
    end
  end

  # A box with a dynamic name has another one whenever it connects, and leaves the one before in the table.
  defp make_room(_box, %{boxes: boxes, options: %{max_boxes: max}} = state) when map_size(boxes) < max, do: {:ok, state}

  defp make_room(box, state) do
    away = for {other, %{connected: false, since: since}} <- Map.drop(state.boxes, state.options.boxes), do: {since, other}

    if away != [] and box in Node.list(:connected) do
      {:ok, drop_box(elem(Enum.min(away), 1), state)}
    else
      :full
    end
  end

  defp drop_box(box, state) do
    %{state | boxes: Map.delete(state.boxes, box), said: Map.drop(state.said, [{:labels, box}, {:value, box}])}
  end

  defp new_box(box) do
    entry = %{
      connected: box in Node.list(:connected),
      # since when, by the monotonic clock, silence counts
      quiet: monotonic(),
      labels: %{},
      late: [],
      alarms: %{},
      received: :undefined,
      repeats: 0,
      since: now_ms()
    }

    Map.put(entry, :state, state_of(entry))
  end

  # puts it back, and tells how it is now if that is new
  defp put_box(box, entry, state) do
    is = state_of(entry)

    if is == entry.state do
      %{state | boxes: %{state.boxes | box => entry}}
    else
      new = %{entry | state: is, since: now_ms()}
      changed(box, new, %{state | boxes: %{state.boxes | box => new}})
    end
  end

  defp state_of(%{connected: false}), do: :away
  defp state_of(%{late: [_ | _]}), do: :late
  defp state_of(%{}), do: :up

  defp changed(box, %{state: is, late: late}, state) do
    case is do
      :up -> log(:notice, box, "#{box} is up")
      :late -> log(:warning, box, "#{box} is late with #{Enum.join(late, ", ")}")
      :away -> log(:warning, box, "#{box} is away")
    end

    tell({:box, box, is}, state)
  end

  defp check(box, %{connected: true} = entry, now, state) do
    late =
      for {label, %{at: at, gaps: gaps}} <- entry.labels, now - max(at, entry.quiet) > patience(label, gaps, state.options) do
        label
      end

    put_box(box, %{entry | late: Enum.sort(late)}, state)
  end

  defp check(_box, _entry, _now, state), do: state

  # How long a label may be silent. An atom is longer than any time: where nothing is known yet, it is not late.
  defp patience(label, gaps, %{every: every, check: check}) do
    interval =
      case {every, gaps} do
        {%{^label => given}, _} -> given
        {given, _} when is_integer(given) -> given
        {_, []} -> :unknown
        {_, gaps} -> Enum.max(gaps)
      end

    if interval == :unknown, do: :unknown, else: max(check, @late * interval)
  end

  defp row(entry) do
    entry
    |> Map.take([:state, :since, :late, :received, :repeats])
    |> Map.merge(%{labels: Enum.sort(Map.keys(entry.labels)), alarms: Map.values(entry.alarms)})
  end

  # An agent tells that one is raised or cleared, and sometimes again what is raised, which is no news.
  defp alarm(box, how, %{what: what, name: name, text: text, ms: ms} = alarm, state) do
    key = {what, name}

    case find_box(box, state) do
      {:ok, %{alarms: %{^key => %{text: ^text}}}, state} when how == :raised ->
        state

      {:ok, %{alarms: alarms} = entry, state} ->
        {level, alarms} =
          cond do
            how == :cleared -> {:notice, Map.delete(alarms, key)}
            map_size(alarms) < state.options.max_labels or Map.has_key?(alarms, key) -> {:warning, Map.put(alarms, key, alarm)}
            true -> {:warning, alarms}
          end

        log(level, box, "#{box}: #{what} #{how}: #{text}")
        tell({:health, box, what, how, name, text, ms}, %{state | boxes: %{state.boxes | box => %{entry | alarms: alarms}}})

      :full ->
        full(box, state)
    end
  end

  # Whom it tells, and what it logs

  # nobody holds it up: to another node it neither waits for room nor connects
  defp tell(event, state) do
    for {pid, _} <- state.subscribers, do: Process.send(pid, event, [:nosuspend, :noconnect])
    state
  end

  defp full(box, state) do
    once(:boxes, box, "there are more than #{state.options.max_boxes} boxes, and #{box} is not kept", state)
  end

  defp stranger(state), do: once(:stranger, nil, "a message came that is none of an agent's, and is dropped", state)

  # others cause these lines: one is enough
  defp once(what, box, text, state) do
    if Map.has_key?(state.said, what) do
      state
    else
      log(:warning, box, text <> "; others are dropped in silence")
      %{state | said: Map.put(state.said, what, true)}
    end
  end

  # by Erlang's name, since Elixir's for it has changed; without a domain, for the usual handler passes over those that it does not know
  defp log(level, box, text), do: :logger.log(level, text, %{box: box})

  defp check_later(state), do: %{state | timer: :erlang.start_timer(state.options.check, self(), :check)}
  defp now_ms, do: System.system_time(:millisecond)
  defp monotonic, do: System.monotonic_time(:millisecond)
end
