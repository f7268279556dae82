# What an Elixir node does with a node that reads and writes values with serde: elixir --name NAME values.exs NODE. A match that fails ends it
# with an error.
defmodule Reading do
  defstruct [:celsius, :unit, :sensor, :note]
end

defmodule Report do
  defstruct readings: [], from: nil, tag: nil, at: nil
end

defmodule Alarm do
  defstruct level: 0
end

defmodule Values do
  # where structs are used they must be there, so this is a module of its own
  def come_back(node) do
    true = Node.connect(node)
    call = fn request -> GenServer.call({:values, node}, request) end

    reading = %Reading{celsius: 21.5, unit: :celsius, sensor: "wohnzimmer ä", note: nil}
    [port | _] = Port.list()

    for {kind, value} <- [
          reading: reading,
          reading: %{reading | unit: :kelvin, celsius: -0.5, note: "cold"},
          report: %Report{readings: [reading, reading], from: self(), tag: make_ref(), at: ~D[2024-02-29]},
          report: %Report{readings: [], from: nil, tag: nil, at: ~D[-0001-12-31]},
          struct: reading,
          struct: %Alarm{level: 3},
          event: :stop,
          event: {:temperature, 21.5},
          event: {:range, 1, 5_000_000_000},
          event: {:alarm, %{level: 3, text: "hot"}},
          result: {:ok, [1, nil, 300]},
          result: {:error, :enoent},
          integers: {-128, 255, -9_223_372_036_854_775_808, 18_446_744_073_709_551_615, -:erlang.bsl(1, 127), :erlang.bsl(1, 128) - 1},
          big: -:erlang.bsl(1, 2000),
          big: 7,
          forms: {:"an atom", ~c"charlist ä λ", <<1, 2, 255>>, [Enum, :b], <<5::3>>, port},
          scores: %{{1, 2} => ["a"], {3, 4} => []},
          term: {[1 | 2], &Enum.map/2, %{1 => make_ref()}, <<1::1>>}
        ] do
      ^value = call.({kind, value})
    end

    # what Rust makes by itself
    %Reading{celsius: 21.5, unit: :celsius, sensor: "t1", note: nil} = call.({:make, :reading})
    %Report{readings: [%Reading{}], from: nil, tag: nil, at: ~D[2024-02-29]} = call.({:make, :report})

    # JSON has keys that are strings, and no atoms but these three
    %Reading{celsius: 21.0, unit: :kelvin, sensor: "t", note: nil} =
      call.({:reading, %{"celsius" => 21, "unit" => :kelvin, "sensor" => "t", "note" => nil}})

    # what is refused, and where
    for {kind, value, text} <- [
          {:reading, %{reading | unit: "celsius"}, ~s(unit: an atom is expected, <<"celsius">> came)},
          {:reading, ~D[2024-02-29], "the struct Elixir.Reading is expected, 'Elixir.Date' came"},
          {:report, %Report{readings: [reading, %{reading | sensor: :t}], at: ~D[2024-02-29]}, "readings[1].sensor: a binary of UTF-8 is expected, t came"},
          {:result, {:ok, [1, :erlang.bsl(1, 64)]}, "ok[1]: an integer from 0 to 65535 is expected, 18446744073709551616 came"}
        ] do
      {:refused, ^text} = call.({kind, value})
    end

    IO.puts("all is well")
  end
end

[node] = Enum.map(System.argv(), &String.to_atom/1)
Values.come_back(node)
