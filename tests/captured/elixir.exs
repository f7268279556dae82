# Records what values of Elixir are in the external format, for src/wire/serde/tests:
#
#     elixir tests/captured/elixir.exs > tests/captured/elixirNN.txt    # NN is the OTP release it runs on
#
# One line each, `elixir/name hex`, as tests/captured/record has them; the comment above is the expression that made it.
defmodule Reading do
  defstruct [:celsius, :unit, :sensor, :note]
end

defmodule Report do
  defstruct readings: [], at: nil, by: nil
end

defmodule Alarm do
  defstruct level: 0
end

defmodule Recorder do
  defmacro record(name, expression) do
    quote do
      hex = unquote(expression) |> :erlang.term_to_binary() |> Base.encode16(case: :lower)
      IO.puts("# " <> unquote(Macro.to_string(expression) |> String.replace(~r/\s+/, " ")))
      IO.puts("elixir/#{unquote(name)} #{hex}")
    end
  end
end

defmodule All do
  require Recorder
  import Recorder

  def all do
    record("reading", %Reading{celsius: 21.5, unit: :celsius, sensor: "t1"})

    record("report", %Report{
      readings: [%Reading{celsius: 21.5, unit: :celsius, sensor: "t1"}, %Reading{celsius: -3, unit: :kelvin, sensor: "ä", note: "cold"}],
      at: ~D[2024-02-29],
      by: self()
    })

    record("events", [%Reading{celsius: 21.5, unit: :celsius, sensor: "t1"}, %Alarm{level: 3}])
    record("ok", {:ok, %{"celsius" => 21.5, "ok" => true, "list" => [1, nil]}})
    record("keyword", interval: 5, unit: :celsius)
    record("charlist", ~c"hällo")
    record("module", {Reading, nil, true})
    record("range", 1..3)
    record("datetime", ~U[2024-02-29 23:59:59Z])
  end
end

IO.puts(
  "# Made by Elixir #{System.version()} on Erlang/OTP #{System.otp_release()} and tests/captured/elixir.exs, whose first lines say how to read this."
)

All.all()
